using System.Text;
using HotModel.Api;
using HotModel.Configuration;
using HotModel.Proxy;

namespace HotModel.Tests.Proxy;

/// <summary>Bodies of routes without sessions: the model's id and the preset, and not one other byte.</summary>
public class PresetPromptTests
{
    private static string? Edit(string mode, string preset, string place, string body)
    {
        PresetPlace where = Enum.Parse<PresetPlace>(place);
        var config = new PresetConfig { SystemPrompt = preset, ClientSystem = Enum.Parse<ClientSystem>(mode) };
        if (JsonObjectBody.Read(Encoding.Latin1.GetBytes(body), PresetPrompt.MemberOf(where)) is not { } read)
            return null;
        PromptEdit? prompt = new PresetPrompt(config).Edit(where, read);
        return string.Concat(RequestSplice.Create(read, "m", prompt).Pieces.Select(piece => Encoding.Latin1.GetString(piece.Span)));
    }

    [Theory]
    [InlineData("""{"model":"x","a":1}""", """{"model":"m","a":1}""")]
    [InlineData(""" { "a":[ {"model":"x"} ] , "model" : null } """, """ { "a":[ {"model":"x"} ] , "model" : "m" } """)]
    [InlineData("""{"a":1}""", """{"model":"m","a":1}""")]
    [InlineData("""{ }""", """{"model":"m" }""")]
    [InlineData("""{"model":"x","mod\u0065l":{"y":[2]}}""", """{"model":"x","mod\u0065l":"m"}""")]
    [InlineData("{\"a\":\"\u00ff\",\"model\":7}", "{\"a\":\"\u00ff\",\"model\":\"m\"}")]
    [InlineData("\u00ef\u00bb\u00bf{\"model\":\"x\"}", "\u00ef\u00bb\u00bf{\"model\":\"m\"}")]
    [InlineData("{\"model\":\"x\"}\0{}", "{\"model\":\"m\"}\0{}")]
    [InlineData("{\"model\":\"x\0\"}", null)]
    [InlineData("[]", null)]
    [InlineData("\"model\"", null)]
    [InlineData("", null)]
    [InlineData("""{"model":"x"} {}""", null)]
    [InlineData("""{"model":"x",}""", null)]
    [InlineData("""{"model":""", null)]
    public void Model_is_replaced_or_put_in_where_the_body_is_an_object(string body, string? expected) =>
        Assert.Equal(expected, Edit("Merge", "P", "None", body));

    [Fact]
    public void Model_of_a_body_as_deep_as_it_may_be_is_found()
    {
        string deep = new string('[', 255) + new string(']', 255);
        Assert.Equal($$"""{"a":{{deep}},"model":"m"}""", Edit("Merge", "", "None", $$"""{"a":{{deep}},"model":1}"""));
        Assert.Null(JsonObjectBody.Read(Encoding.Latin1.GetBytes($$"""{"a":[{{deep}}],"model":1}"""), []));
    }

    [Theory]
    [InlineData("[[]]", false)]
    [InlineData("[[[]]]", true)]
    [InlineData("[{\"a\":[", true)]
    [InlineData("[[],[],[{}]]", true)]
    [InlineData("[[],[],{}]", false)]
    [InlineData("[\"[[[\",\"\\\"[[[\",\"\\\\\",{}]", false)]
    [InlineData("[\"\\\\\",[[", true)]
    [InlineData("\"[[[", false)]
    [InlineData("]]]]{{{", false)]
    [InlineData("", false)]
    public void Depth_is_counted_be_it_json_or_not(string text, bool isDeeper) =>
        Assert.Equal(isDeeper, JsonText.IsDeeperThan(2, Encoding.Latin1.GetBytes(text)));

    /// <summary>llama-server obeys the last of them, so none may stay.</summary>
    [Theory]
    [InlineData("""{"system":"a","system":"b"}""", """{"model":"m"}""")]
    [InlineData("""{"a":1,"system":"a","system":"b","system":"c"}""", """{"model":"m","a":1}""")]
    [InlineData("""{"system":"a","a":1,"system":"b"}""", """{"model":"m","a":1}""")]
    [InlineData("""{"system":"a" , "system":"b" , "a":1}""", """{"model":"m",  "a":1}""")]
    [InlineData("""{"a":1,"syst\u0065m":"a","model":2,"system":[],"system":null}""", """{"a":1,"model":"m"}""")]
    [InlineData("""{"a":1,"system":"a","b":2,"system":"b","system":"c" }""", """{"model":"m","a":1,"b":2 }""")]
    public void Instructions_given_more_than_once_are_dropped_together(string body, string expected) =>
        Assert.Equal(expected, Edit("Drop", "", "System", body));

    [Theory]
    [InlineData("Merge", "P\"", """{"model":1,"instructions":"C\u00e9"}""", """{"model":"m","instructions":"P\"\n\nC\u00e9"}""")]
    [InlineData("Merge", "P", """{"model":1,"instructions":""}""", """{"model":"m","instructions":"P"}""")]
    [InlineData("Merge", "P", """{"model":1,"instructions":["C"]}""", """{"model":"m","instructions":"P"}""")]
    [InlineData("Merge", "P", """{"model":1}""", """{"instructions":"P","model":"m"}""")]
    [InlineData("Merge", "P", """{}""", """{"model":"m","instructions":"P"}""")]
    [InlineData("Merge", "", """{"model":1,"instructions":"C"}""", """{"model":"m","instructions":"C"}""")]
    [InlineData("Drop", "P", """{"model":1,"instructions":"C"}""", """{"model":"m","instructions":"P"}""")]
    [InlineData("Drop", "", """{"instructions":"C", "model":1}""", """{ "model":"m"}""")]
    [InlineData("Drop", "", """{"instructions":"C"}""", """{"model":"m"}""")]
    [InlineData("Drop", "", """{"a":1 , "instructions":"C"}""", """{"model":"m","a":1 }""")]
    [InlineData("Drop", "", """{"a":1}""", """{"model":"m","a":1}""")]
    [InlineData("Replace", "P", """{"model":1,"instructions":"C"}""", """{"model":"m","instructions":"C"}""")]
    [InlineData("Replace", "P", """{"model":1,"instructions":null}""", """{"model":"m","instructions":"P"}""")]
    [InlineData("Replace", "", """{"model":1,"instructions":null}""", """{"model":"m","instructions":null}""")]
    public void Instructions_are_merged_dropped_or_replaced(string mode, string preset, string body, string expected) =>
        Assert.Equal(expected, Edit(mode, preset, "Instructions", body));

    [Theory]
    [InlineData("Merge", """{"model":1,"system":"C"}""", """{"model":"m","system":"P\n\nC"}""")]
    [InlineData("Merge", """{"model":1,"system":[ {"type":"text","text":"C"} ]}""", """{"model":"m","system":[{"type":"text","text":"P\n\n"}, {"type":"text","text":"C"} ]}""")]
    [InlineData("Merge", """{"model":1,"system":[ ]}""", """{"model":"m","system":"P"}""")]
    [InlineData("Merge", """{"model":1}""", """{"system":"P","model":"m"}""")]
    [InlineData("Drop", """{"model":1,"system":[{"type":"text","text":"C"}]}""", """{"model":"m","system":"P"}""")]
    [InlineData("Replace", """{"model":1,"system":[{"type":"text","text":"C"}]}""", """{"model":"m","system":[{"type":"text","text":"C"}]}""")]
    [InlineData("Replace", """{"model":1,"system":[]}""", """{"model":"m","system":"P"}""")]
    public void System_is_a_string_or_blocks(string mode, string body, string expected) =>
        Assert.Equal(expected, Edit(mode, "P", "System", body));

    [Theory]
    [InlineData("Merge", "P", """{"model":1,"messages":[{"role":"system","content":"C"}, {"role":"user","content":"u"}]}""",
        """{"model":"m","messages":[{"role":"system","content":"P\n\nC"},{"role":"user","content":"u"}]}""")]
    [InlineData("Merge", "", """{"model":1,"messages":[ {"role":"system","content":"C"}]}""",
        """{"model":"m","messages":[ {"role":"system","content":"C"}]}""")]
    [InlineData("Drop", "", """{"model":1,"messages":[{"role":"system","content":"C"},{"role":"user","content":"u"}]}""",
        """{"model":"m","messages":[{"role":"user","content":"u"}]}""")]
    [InlineData("Merge", "P", """{"model":1,"messages":["x"]}""", """{"model":"m","messages":["x"]}""")]
    [InlineData("Merge", "P", """{"model":1,"messages":5}""", """{"model":"m","messages":5}""")]
    [InlineData("Merge", "P", """{"model":1,"messages":[{"role":"system","content":"\ud800"}]}""",
        """{"model":"m","messages":[{"role":"system","content":"\ud800"}]}""")]
    [InlineData("Merge", "P", """{"model":1,"messages":[{"\ud800":1,"role":"user","content":"x"}]}""",
        """{"model":"m","messages":[{"\ud800":1,"role":"user","content":"x"}]}""")]
    public void Messages_begin_as_a_conversation_does(string mode, string preset, string body, string expected) =>
        Assert.Equal(expected, Edit(mode, preset, "Messages", body));

    /// <summary>However many there are, they take no more memory and time than their bytes.</summary>
    [Fact]
    public void Messages_by_the_hundred_thousand_are_merged_as_few_are()
    {
        const int Count = 60_000;
        string system = string.Concat(Enumerable.Repeat("{\"role\":\"system\",\"content\":\"S\"},", Count));
        string others = string.Join(',', Enumerable.Repeat("{}", 500_000));
        string body = $$"""{"model":1,"messages":[{{system}}{{others}}]}""";
        long before = GC.GetAllocatedBytesForCurrentThread();

        string? edited = Edit("Merge", "P", "Messages", body);

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 60 << 20);
        string merged = string.Concat(Enumerable.Repeat("\\n\\nS", Count));
        Assert.Equal($$"""{"model":"m","messages":[{"role":"system","content":"P{{merged}}"},{{others}}]}""", edited);
    }

    [Fact]
    public void Messages_as_deep_as_a_conversation_may_have_are_merged()
    {
        string message = $$"""{"role":"user","content":{{new string('[', 200)}}{{new string(']', 200)}}}""";
        Assert.Equal(
            $$"""{"model":"m","messages":[{"role":"system","content":"P"},{{message}}]}""",
            Edit("Merge", "P", "Messages", $$"""{"model":1,"messages":[{{message}}]}"""));
    }
}
