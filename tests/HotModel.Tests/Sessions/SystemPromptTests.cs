using HotModel.Configuration;
using HotModel.Sessions;
using static HotModel.Tests.Sessions.StateFolder;

namespace HotModel.Tests.Sessions;

public class SystemPromptTests
{
    private const string Image = """{"role":"system","content":[{"type":"image_url","image_url":{"url":"x"}}]}""";

    private static IEnumerable<string> Build(string preset, ClientSystem mode, params ChatMessage[] client) =>
        SystemPrompt.Build(new PresetConfig { SystemPrompt = preset, ClientSystem = mode }, client).Select(TextOf);

    [Fact]
    public void Build_merge_is_one_message_preset_first() => Assert.Equal(
        ["""{"role":"system","content":"Preset \"é\".\n\nClient 1\n\nClient 2"}"""],
        Build("Preset \"é\".", ClientSystem.Merge, Instruction("Client 1"), Message("developer", "Client 2")));

    [Fact]
    public void Build_merge_other_content_stays_a_message_of_its_own() => Assert.Equal(
        ["""{"role":"system","content":"P\n\nC"}""", Image],
        Build("P", ClientSystem.Merge, Json(Image), Instruction("C")));

    [Fact]
    public void Build_merge_text_parts_and_empty_contents() => Assert.Equal(
        ["""{"role":"system","content":"P\n\nab"}"""],
        Build("P", ClientSystem.Merge,
            Json("""{"role":"system","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"""),
            Json("""{"role":"system","content":null}""")));

    [Theory]
    [InlineData("Merge")]
    [InlineData("Replace")]
    public void Build_without_preset_the_clients_bytes_pass(string mode)
    {
        const string raw = """{ "content" : "x", "role":"system" , "name":"n"}""";
        Assert.Equal([raw], Build("", Enum.Parse<ClientSystem>(mode), Json(raw)));
    }

    [Fact]
    public void Build_drop_keeps_the_preset_only()
    {
        Assert.Equal(["""{"role":"system","content":"P"}"""], Build("P", ClientSystem.Drop, Instruction("C")));
        Assert.Empty(Build("", ClientSystem.Drop, Instruction("C")));
    }

    [Fact]
    public void Build_replace_takes_the_clients_when_there_is_one()
    {
        Assert.Equal(TextsOf([Instruction("C")]), Build("P", ClientSystem.Replace, Instruction("C")));
        Assert.Equal(["""{"role":"system","content":"P"}"""], Build("P", ClientSystem.Replace));
    }

    [Fact]
    public void Build_nothing_gives_nothing() => Assert.Empty(Build("", ClientSystem.Merge));
}
