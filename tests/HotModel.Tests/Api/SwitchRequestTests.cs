using System.Text;
using System.Text.Json;
using HotModel.Api;

namespace HotModel.Tests.Api;

public class SwitchRequestTests
{
    [Theory]
    [InlineData("", "The body is not JSON")]
    [InlineData("""{"model": "b" """, "The body is not JSON")]
    [InlineData("[]", "The body is no JSON object")]
    [InlineData("\"b\"", "The body is no JSON object")]
    [InlineData("{}", "\"model\" is missing")]
    [InlineData("""{"model": null}""", "\"model\" is missing")]
    [InlineData("""{"model": ""}""", "\"model\" is missing")]
    [InlineData("""{"model": 7}""", "\"model\" must be a text, the name of a model")]
    [InlineData("""{"model": "b", "force": "yes"}""", "\"force\" must be true or false")]
    [InlineData("""{"model": "b", "dry_run": 1}""", "\"dry_run\" must be true or false")]
    [InlineData("""{"model": "b", "drain_timeout_seconds": "5"}""",
        "\"drain_timeout_seconds\" must be a number of seconds, 0 to 1000000")]
    [InlineData("""{"model": "b", "drain_timeout_seconds": -0.1}""",
        "\"drain_timeout_seconds\" must be a number of seconds, 0 to 1000000")]
    [InlineData("""{"model": "b", "drain_timeout_seconds": 1e400}""",
        "\"drain_timeout_seconds\" must be a number of seconds, 0 to 1000000")]
    [InlineData("""{"model": "b", "drain_timeout": 5}""",
        "\"drain_timeout\" is not known here; allowed are \"model\", \"force\", \"drain_timeout_seconds\" and \"dry_run\"")]
    [InlineData("""{"Model": "b"}""",
        "\"Model\" is not known here; allowed are \"model\", \"force\", \"drain_timeout_seconds\" and \"dry_run\"")]
    public void Body_that_is_wrong_is_told_which_key_and_what_is_allowed(string json, string problem)
    {
        Assert.Equal((null, problem), SwitchRequest.Read(Encoding.UTF8.GetBytes(json)));
    }

    [Theory]
    [InlineData("""{"model": "b"}""", null, null)]
    [InlineData("""{"model": "b", "dry_run": null}""", null, null)]
    [InlineData("""{"model": "b", "force": null, "drain_timeout_seconds": null}""", null, null)]
    [InlineData("""{"drain_timeout_seconds": 0, "force": true, "model": "b"}""", true, 0.0)]
    [InlineData("""{"model": "b", "drain_timeout_seconds": 1000000}""", null, 1e6)]
    public void Body_that_is_right_is_read(string json, bool? force, double? drain)
    {
        var read = SwitchRequest.Read(Encoding.UTF8.GetBytes(json));

        Assert.Equal((new SwitchRequestBody("b", force, drain), null), read);
    }

    [Fact]
    public void Body_of_the_command_is_read_as_it_was_meant()
    {
        var sent = new SwitchRequestBody("b", true, 2.5, true);

        var read = SwitchRequest.Read(JsonSerializer.SerializeToUtf8Bytes(sent, AdminJson.Default.SwitchRequestBody));

        Assert.Equal((sent, null), read);
    }
}
