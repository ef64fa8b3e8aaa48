using System.Text;
using HotModel.Llama;

namespace HotModel.Tests.Llama;

public class RouterModelsTests
{
    [Theory]
    [InlineData("""["llama-server","--host","127.0.0.1","--port","4711","--alias","a"]""", 4711)]
    [InlineData("""["llama-server","--port"]""", null)]
    [InlineData("""["llama-server","--port","x"]""", null)]
    [InlineData("""[1,null]""", null)]
    [InlineData("\"--port 1\"", null)]
    public void Port_of_the_models_own_process_is_read_from_its_arguments(string args, int? expected)
    {
        var body = """{"data":[{"id":"a","status":{"value":"loaded","args":ARGS}}]}""".Replace("ARGS", args);
        Assert.Equal(expected, RouterModels.Parse(System.Text.Encoding.UTF8.GetBytes(body))![0].Port);
    }

    [Theory]
    [InlineData("""{"id":"a","status":{"value":"LOADED"}}""", RouterModelStatus.Loaded)]
    [InlineData("""{"id":"a","status":{"value":"loading","args":["x"],"failed":false}}""", RouterModelStatus.Loading)]
    [InlineData("""{"id":"a","status":"UNLOADED"}""", RouterModelStatus.Unloaded)]
    [InlineData("""{"id":"a","status":"sleeping"}""", RouterModelStatus.Sleeping)]
    [InlineData("""{"id":"a","loaded":true}""", RouterModelStatus.Loaded)]
    [InlineData("""{"id":"a","loaded":false}""", RouterModelStatus.Unloaded)]
    [InlineData("""{"id":"a"}""", RouterModelStatus.Unknown)]
    [InlineData("""{"id":"a","status":7}""", RouterModelStatus.Unknown)]
    [InlineData("""{"id":"a","status":{"value":"new word"}}""", RouterModelStatus.Unknown)]
    public void Parse_shape_gives_status(string item, object status)
    {
        var model = Assert.Single(Parse($$"""{"object":"list","data":[{{item}}]}""")!);

        Assert.Equal(status, model.Status);
    }

    [Fact]
    public void Parse_keeps_ids_as_they_are_and_skips_what_has_none()
    {
        var models = Parse("""{"data":[{"id":"Org/A:Q8"},{"id":"org/a:q8"},{"name":"x"},3,null]}""")!;

        Assert.Equal(["Org/A:Q8", "org/a:q8"], models.Select(model => model.Id));
    }

    [Fact]
    public void Parse_reads_stop_timeout_and_failed()
    {
        var model = Parse("""
            {"data":[{"id":"a","status":{"value":"unloaded","failed":true,
              "preset":"[a]\nstop-timeout = 25\nparallel = 1\n"}}]}
            """)![0];

        Assert.True(model.Failed);
        Assert.Equal(TimeSpan.FromSeconds(25), model.StopTimeout);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{\"data\":{}}")]
    [InlineData("proxy error: Failed to read connection")]
    public void Parse_other_body_is_null(string body) => Assert.Null(Parse(body));

    [Theory]
    [InlineData("""[{"id":0,"is_processing":false},{"id":1,"is_processing":true}]""", SlotsState.Busy)]
    [InlineData("""[{"id":0,"is_processing":false}]""", SlotsState.Idle)]
    [InlineData("""{"error":{}}""", SlotsState.Unknown)]
    [InlineData("", SlotsState.Unknown)]
    public void Slots_body_gives_state(string body, object state) =>
        Assert.Equal(state, RouterClient.ReadSlots(new RouterReply(200, Encoding.UTF8.GetBytes(body))));

    [Fact]
    public void Error_message_is_read_or_null()
    {
        Assert.Equal("model is already running",
            new RouterReply(400, """{"error":{"message":"model is already running"}}"""u8.ToArray()).ErrorMessage);
        Assert.Null(new RouterReply(500, "proxy error"u8.ToArray()).ErrorMessage);
        Assert.Null(new RouterReply(500, "[1]"u8.ToArray()).ErrorMessage);
    }

    [Theory]
    [InlineData("""{"stages":["text_model"],"current":"text_model","value":0.5}""", "text_model", 0.5)]
    [InlineData("""{"stage":"text_model","value":0.25}""", "text_model", 0.25)]
    public void Event_progress_is_read_in_both_shapes(string progress, string stage, double fraction)
    {
        var message = ModelEvent.Parse(Encoding.UTF8.GetBytes(
            $$$"""{"model":"a","event":"status_change","data":{"status":"loading","progress":{{{progress}}}}}"""));

        Assert.Equal("a", message.Model);
        Assert.Equal(new LoadProgress(stage, fraction), message.Progress);
    }

    [Theory]
    [InlineData("""{"model":"a","event":"status_change","data":{"status":"unloaded","exit_code":1}}""")]
    [InlineData("""{"model":"a","event":"model_status","data":{"status":"loading"}}""")]
    [InlineData("""{"model":"*","event":"models_reload"}""")]
    [InlineData("not json")]
    public void Event_without_progress_is_a_hint_to_look(string json) =>
        Assert.Null(ModelEvent.Parse(Encoding.UTF8.GetBytes(json)).Progress);

    private static IReadOnlyList<RouterModel>? Parse(string body) => RouterModels.Parse(Encoding.UTF8.GetBytes(body));
}
