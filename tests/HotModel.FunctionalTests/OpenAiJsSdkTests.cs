namespace HotModel.FunctionalTests;

/// <summary>OpenAI's own library for JavaScript: what is checked is in tests/sdk-js/openai.mjs.</summary>
public sealed class OpenAiJsSdkTests(SharedHotModel shared) : IClassFixture<SharedHotModel>
{
    [Theory]
    [InlineData("lists_the_models", "a")]
    [InlineData("chats", "a")]
    [InlineData("streams", "a")]
    [InlineData("streams_to_its_helper", "a")]
    [InlineData("completes", "a")]
    [InlineData("responds", "a")]
    [InlineData("streams_a_response", "a")]
    [InlineData("throws_its_own_errors", "a")]
    [InlineData("does_not_notice_a_switch", "a")]
    [InlineData("calls_a_tool_and_brings_its_result", "caller")]
    [InlineData("calls_a_tool_in_a_response", "caller")]
    [InlineData("streams_a_tool_call", "caller")]
    [InlineData("runs_its_tools_by_itself", "caller")]
    [InlineData("parses_what_a_schema_asks_for", "caller")]
    [InlineData("embeds", "embedder")]
    [InlineData("transcribes", "listener")]
    [InlineData("throws_when_a_forced_switch_cuts_a_stream", "slow")]
    [InlineData("throws_when_a_forced_switch_cuts_a_response", "slow")]
    [InlineData("aborts_a_stream_and_the_slot_is_idle", "slow")]
    [InlineData("aborts_a_whole_answer_and_the_slot_is_idle", "slow")]
    public Task Sdk(string check, string model) => shared.CheckAsync("openai", check, model);
}
