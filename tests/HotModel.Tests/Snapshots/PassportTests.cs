using System.Text;
using HotModel.Configuration;
using HotModel.Snapshots;
using HotModel.Tests.Llama;

namespace HotModel.Tests.Snapshots;

public sealed class PassportTests : IDisposable
{
    private static readonly DateTime Then = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    private static readonly string[] Arguments = ["/bin/llama-server", "--port", "1", "--ctx-size", "512"];

    private readonly TempFolder folder = new();
    private readonly PassportOffice office = new(TimeProvider.System);

    public void Dispose() => folder.Dispose();

    private static ServerProps Props(string? path = null) => new("b1", path, 512, 1, "template");

    private ModelConfig Model(string name = "m.gguf") => TestConfig.Create("a").Models["a"] with { Path = Path.Combine(folder.Path, name) };

    private string Write(string name, byte[] content, DateTime? changed = null)
    {
        var path = Path.Combine(folder.Path, name);
        File.WriteAllBytes(path, content);
        File.SetLastWriteTimeUtc(path, changed ?? Then);
        return path;
    }

    private Passport Issue(ServerProps? props = null, params string[] arguments) =>
        office.Issue(Model(), props ?? Props(), arguments.Length == 0 ? Arguments : arguments)!;

    [Fact]
    public void Issue_same_load_gives_the_same_passport()
    {
        Write("m.gguf", new byte[100]);

        Assert.Equal(Issue(), Issue());
        Assert.Equal(Issue(), new PassportOffice(TimeProvider.System).Issue(Model(), Props(), Arguments));
        Assert.Equal(32, Issue().Fingerprint.Length);
    }

    [Theory]
    [InlineData("--port 2 --ctx-size 512")]
    [InlineData("--host ::1 --ctx-size 512 -t 4 --threads-batch 3 --alias x --api-key k")]
    [InlineData("--log-disable --ctx-size 512 --log-file /x --log-colors off -lv 4 --slot-save-path /y")]
    [InlineData("/elsewhere/llama-server --ctx-size 512")]
    public void Issue_arguments_without_meaning_do_not_count(string arguments)
    {
        Write("m.gguf", new byte[100]);

        Assert.Equal(Issue().Fingerprint, Issue(null, arguments.Split(' ')).Fingerprint);
    }

    [Theory]
    [InlineData("--ctx-size 513")]
    [InlineData("--ctx-size 512 --cache-type-k q8_0")]
    [InlineData("--ctx-size 512 --rope-freq-base 5")]
    [InlineData("--ctx-size 512 --some-future-option -1")]
    public void Issue_other_arguments_give_another_fingerprint(string arguments)
    {
        Write("m.gguf", new byte[100]);
        var other = Issue(null, arguments.Split(' '));

        Assert.NotEqual(Issue().Fingerprint, other.Fingerprint);
        Assert.Equal(Issue().ModelAndBuild, other.ModelAndBuild);
    }

    [Fact]
    public void Issue_order_of_arguments_counts()
    {
        Write("m.gguf", new byte[100]);

        Assert.NotEqual(Issue(null, "-c", "1", "-c", "2").Fingerprint, Issue(null, "-c", "2", "-c", "1").Fingerprint);
    }

    [Fact]
    public void Issue_what_the_server_says_counts()
    {
        Write("m.gguf", new byte[100]);
        var mine = Issue();

        Assert.NotEqual(mine.Fingerprint, Issue(Props() with { ContextTokens = 256 }).Fingerprint);
        Assert.NotEqual(mine.Fingerprint, Issue(Props() with { Slots = 2 }).Fingerprint);
        Assert.NotEqual(mine.Fingerprint, Issue(Props() with { Template = "other" }).Fingerprint);
        Assert.Equal(mine.ModelAndBuild, Issue(Props() with { Template = "other" }).ModelAndBuild);
        var newBuild = Issue(Props() with { Build = "b2" });
        Assert.NotEqual(mine.Fingerprint, newBuild.Fingerprint);
        Assert.NotEqual(mine.ModelAndBuild, newBuild.ModelAndBuild);
    }

    [Theory]
    [InlineData(10)]
    [InlineData((16 << 20) + (256 << 10) + 5)]
    [InlineData((20 << 20) - 1)]
    public void Issue_other_file_of_the_same_size_and_time_is_noticed(int at)
    {
        var content = new byte[20 << 20];
        Write("m.gguf", content);
        var before = Issue();
        content[at] = 1;
        Write("m.gguf", content);

        Assert.NotEqual(before.ModelAndBuild, Issue().ModelAndBuild);
    }

    [Fact]
    public void Issue_beginning_is_read_once_for_a_size_and_time()
    {
        var content = new byte[20 << 20];
        Write("m.gguf", content);
        var before = Issue();
        content[100_000] = 1;
        Write("m.gguf", content);

        Assert.Equal(before, Issue());
        Assert.NotEqual(before.ModelAndBuild, new PassportOffice(TimeProvider.System).Issue(
            Model(), Props(), Arguments)!.ModelAndBuild);
    }

    [Fact]
    public void Issue_changed_time_or_size_is_always_noticed()
    {
        Write("m.gguf", new byte[100]);
        var before = Issue();
        Write("m.gguf", new byte[100], Then.AddTicks(10_000));
        var touched = Issue();
        Write("m.gguf", new byte[101]);

        Assert.Equal(3, new[] { before.ModelAndBuild, touched.ModelAndBuild, Issue().ModelAndBuild }.Distinct().Count());
    }

    [Fact]
    public void Issue_looks_at_every_shard()
    {
        var first = Write("m-00001-of-00002.gguf", new byte[10]);
        Assert.Null(office.Issue(Model(), Props(first), Arguments));

        Write("m-00002-of-00002.gguf", new byte[10]);
        var before = office.Issue(Model(), Props(first), Arguments);
        Write("m-00002-of-00002.gguf", new byte[11]);

        Assert.NotNull(before);
        Assert.NotEqual(before.ModelAndBuild, office.Issue(Model(), Props(first), Arguments)!.ModelAndBuild);
    }

    [Theory]
    [InlineData("--lora", "")]
    [InlineData("--lora-scaled", ":0.5")]
    [InlineData("--mmproj", "")]
    public void Issue_looks_at_the_other_files_of_a_model(string option, string scale)
    {
        Write("m.gguf", new byte[100]);
        var other = Write("x.gguf", new byte[10]);
        var before = Issue(null, option, other + scale);
        Write("x.gguf", new byte[11]);
        var after = Issue(null, option, other + scale);

        Assert.NotEqual(before.Fingerprint, after.Fingerprint);
        Assert.Equal(before.ModelAndBuild, after.ModelAndBuild);
        Assert.Null(office.Issue(Model(), Props(), [option, "/nowhere/x.gguf" + scale]));
    }

    [Fact]
    public void Issue_through_a_link_is_of_the_file_behind_it()
    {
        var file = Write("blob", new byte[100]);
        File.CreateSymbolicLink(Path.Combine(folder.Path, "m.gguf"), file);
        var before = Issue();
        Write("blob", new byte[200]);

        Assert.NotEqual(before.ModelAndBuild, Issue().ModelAndBuild);
    }

    [Fact]
    public void Issue_without_the_file_gives_none() => Assert.Null(office.Issue(Model(), Props(), Arguments));

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("not json")]
    [InlineData("""{"build_info":"b1","total_slots":1}""")]
    [InlineData("""{"build_info":"","total_slots":1,"default_generation_settings":{"n_ctx":1}}""")]
    [InlineData("""{"total_slots":1,"default_generation_settings":{"n_ctx":1}}""")]
    public void Props_that_lack_something_are_none(string json) =>
        Assert.Null(ServerProps.Read(Encoding.UTF8.GetBytes(json)));

    [Theory]
    [InlineData("/m.gguf", "/m.gguf")]
    [InlineData("-00001-of-00002.gguf", "-00001-of-00002.gguf")]
    [InlineData("/m-0001-of-00002.gguf", "/m-0001-of-00002.gguf")]
    [InlineData("/m-00001-of-0000x.gguf", "/m-00001-of-0000x.gguf")]
    [InlineData("/m-00001-of-00002.bin", "/m-00001-of-00002.bin")]
    [InlineData("/m-00001-of-00002.gguf", "/m-00001-of-00002.gguf /m-00002-of-00002.gguf")]
    public void Shards_are_those_of_the_pattern(string path, string expected) =>
        Assert.Equal(expected.Split(' '), ServerArguments.Shards(path));

    [Fact]
    public void Files_of_a_scaled_list_are_all_of_it() => Assert.Equal(
        ["/a.gguf", "/b:c.gguf", "/d.gguf"],
        ServerArguments.Files(["--lora-scaled", "/a.gguf:0.5,/b:c.gguf:1,/d.gguf", "--lora"]));
}
