using HotModel.Configuration;

namespace HotModel.Tests.Configuration;

public sealed class PresetFileTests : IDisposable
{
    private readonly ConfigFolder folder = new();

    public void Dispose() => folder.Dispose();

    private PresetFile Read(string text) => PresetFile.Read(folder.Write("p.ini", text));

    private string[] Errors(string text) => [.. Read(text).Errors.Select(error => folder.Short(error.ToString()))];

    [Fact]
    public void Sections_and_keys_keep_order_case_lines_and_colons()
    {
        var preset = Read("""
            version = 1
            ; comment
            [*]
            c = 4096 ; a comment
            C = 0x3#another

            [ggml-org/MY-MODEL:Q8_0] ; here too
            model = /m/a b.gguf
            url = http://x:1/y=z
            empty =
            """);

        Assert.Empty(preset.Errors);
        Assert.Equal([("*", 3), ("ggml-org/MY-MODEL:Q8_0", 7)],
            preset.Sections.Select(section => (section.Name, section.Line)));
        Assert.Equal([new PresetEntry("c", "4096", 4), new PresetEntry("C", "0x3", 5)], preset.Find("*")!.Entries);
        Assert.Equal([
            new PresetEntry("model", "/m/a b.gguf", 8), new PresetEntry("url", "http://x:1/y=z", 9),
            new PresetEntry("empty", "", 10),
        ], preset.Find("ggml-org/MY-MODEL:Q8_0")!.Entries);
    }

    [Fact]
    public void Crlf_is_read_as_lf() =>
        Assert.Equal("/a", Assert.Single(Assert.Single(Read("[a]\r\nmodel = /a\r\n").Sections).Entries).Value);

    [Theory]
    [InlineData("[a]\nc = 1\nc = 2\n", "p.ini:3:1: c is already given in line 2; each key may be given once in a "
        + "section")]
    [InlineData("[a]\nc = 1\nctx-size = 2\n",
        "p.ini:3:1: ctx-size is already given in line 2; each key may be given once in a section")]
    [InlineData("[a]\nx = 1\n[a]\ny = 2\n",
        "p.ini:3:1: section [a] is already given in line 1; llama-server keeps only the last, so write all its keys "
            + "in one")]
    [InlineData("[a\nx = 1\n", "p.ini:1:1: is no section header; write [name]")]
    [InlineData("[]\nx = 1\n", "p.ini:1:1: is no section header; write [name]")]
    [InlineData("[a]b\nx = 1\n", "p.ini:1:1: is no section header; write [name]")]
    [InlineData("[a ]\nx = 1\n", "p.ini:1:1: the name of section [a ] ends with a blank, which llama-server keeps; "
        + "remove it")]
    [InlineData("[a]\n jinja = 1\n",
        "p.ini:2:1: is indented; llama-server refuses the file, write it from the first column")]
    [InlineData("[a]\njinja\n",
        "p.ini:2:1: is no setting; write key = value, the key as on llama-server's command line without dashes")]
    [InlineData("[a]\n--jinja = 1\n",
        "p.ini:2:1: is no setting; write key = value, the key as on llama-server's command line without dashes")]
    [InlineData("[a]\n/ comment\n",
        "p.ini:2:1: is no setting; write key = value, the key as on llama-server's command line without dashes")]
    [InlineData("[a]\nmodel = /a\rjinja\r\n", "p.ini:2:1: holds a control character; remove it")]
    [InlineData("[a\0]\n", "p.ini:1:1: holds a control character; remove it")]
    [InlineData("version = 1\nc = 1\n[a]\n", "p.ini:2:1: c stands before the first section; llama-server makes a model "
        + "\"default\" of it, write [*] above it for a default of all models")]
    [InlineData("\uFEFF[a]\n", "p.ini:1:1: begins with a byte order mark, which llama-server refuses; save it without")]
    public void What_llama_server_refuses_or_loses_is_an_error(string text, string error) =>
        Assert.Equal([error], Errors(text));

    [Fact]
    public void Names_that_differ_in_case_and_quotes_are_warnings()
    {
        var preset = Read("[Qwen]\nmodel = \"/a\"\n[qwen]\nmodel = /b\n");

        Assert.Empty(preset.Errors);
        Assert.Equal(["/a", "/b"], preset.Sections.Select(section => section.Entries[0].Value));
        Assert.Equal([
            "p.ini: sections [Qwen], [qwen] differ only in case; they are different models",
            "p.ini:2:1: model: llama-server takes the quotes for a part of the value",
        ], preset.Warnings.Select(folder.Short));
    }

    private const string Toml = "[router]\nmodels_preset = 'p.ini'\n[models.a]\npath = '/m/a.gguf'\n"
        + "[models.b]\npath = '/m/b.gguf'\nrouter_id = 'bee'\n";

    [Fact]
    public void Router_id_without_section_is_an_error_with_the_nearest_name()
    {
        folder.Write("p.ini", "[A]\nmodel = /m/a.gguf\n[beee]\nmodel = /m/b.gguf\n");

        Assert.Equal([
            "hotmodel.toml:3:9: router_id: p.ini has no section [a] (did you mean \"A\"?)",
            "hotmodel.toml:7:1: router_id: p.ini has no section [bee] (did you mean \"beee\"?)",
        ], folder.Errors(Toml));
    }

    [Fact]
    public void Section_that_names_no_model_is_an_error()
    {
        folder.Write("p.ini", "[a]\nmodel =\n[bee]\nc = 1\n[unused]\nc = 1\n");

        Assert.Equal([
            "p.ini:1:1: section [a] names no model, and loading it would never end; write model = FILE",
            "p.ini:3:1: section [bee] names no model, and loading it would never end; write model = FILE",
        ], folder.Errors(Toml));
    }

    [Fact]
    public void Model_from_a_hub_or_from_the_defaults_is_enough()
    {
        folder.Write("p.ini", "[a]\nhf = x/y:Q8\n[bee]\nmodel-url = http://x\n");
        folder.LoadGood(Toml);
        folder.Write("p.ini", "[*]\nmodel = /x\n[a]\n[bee]\n");
        folder.LoadGood(Toml);
    }

    [Fact]
    public void Model_of_the_models_folder_needs_no_section()
    {
        folder.Write("p.ini", "[a]\nmodel = /m/a.gguf\n");
        folder.Write("models/bee.gguf", "");

        folder.LoadGood(Toml.Replace("[models.a]", "models_dir = 'models'\n[models.a]"));
    }

    [Fact]
    public void Paths_and_keys_without_effect_are_warnings()
    {
        folder.Write("p.ini", "[*]\nctx-size = 8192\nflash-attn = on\nno-kv-unified = 1\ncache-idle-slots = off\n"
            + "[a]\nmodel = a.gguf\nc = 4096\n[bee]\nmodel = /nowhere/b.gguf\n");

        var warnings = folder.Load(Toml).Warnings.Select(folder.Short).Where(text => text.StartsWith("p.ini"));

        const string wins = "has no effect: llama-server's own command line wins, and there [router].";
        Assert.Equal([
            "p.ini:7:1: model: a.gguf depends on the folder that hotmodel is started in; write the whole path",
            "p.ini:10:1: model: there is no file /nowhere/b.gguf",
            $"p.ini:3:1: flash-attn = on {wins}flash_attn = auto stands",
            $"p.ini:4:1: no-kv-unified = 1 {wins}kv_unified = true stands",
            $"p.ini:8:1: c = 4096 {wins}ctx_size = 8192 stands",
        ], warnings);
    }

    [Fact]
    public void Errors_of_the_preset_come_with_those_of_the_toml_file()
    {
        folder.Write("p.ini", "[a]\nmodel = /a\njinja\n[bee]\nmodel = /b\n");

        Assert.Equal(["hotmodel.toml:9:1: unknown key \"prt\" in [server] (did you mean \"port\"?)",
            "p.ini:3:1: is no setting; write key = value, the key as on llama-server's command line without dashes"],
            folder.Errors(Toml + "[server]\nprt = 1\n"));
    }
}
