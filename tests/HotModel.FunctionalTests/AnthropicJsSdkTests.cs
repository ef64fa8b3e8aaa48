namespace HotModel.FunctionalTests;

/// <summary>Anthropic's own library for JavaScript: what is checked is in tests/sdk-js/anthropic.mjs.</summary>
public sealed class AnthropicJsSdkTests(SharedHotModel shared) : IClassFixture<SharedHotModel>
{
    [Theory]
    [InlineData("lists_the_models", "a")]
    [InlineData("creates_a_message", "a")]
    [InlineData("creates_a_message_of_the_beta", "a")]
    [InlineData("counts_tokens", "a")]
    [InlineData("streams", "a")]
    [InlineData("streams_to_its_helper", "a")]
    [InlineData("throws_its_own_errors", "a")]
    [InlineData("does_not_notice_a_switch", "a")]
    [InlineData("calls_a_tool_and_brings_its_result", "caller")]
    [InlineData("streams_a_tool_call", "caller")]
    [InlineData("throws_when_a_forced_switch_cuts_a_stream", "slow")]
    [InlineData("aborts_a_stream_and_the_slot_is_idle", "slow")]
    public Task Sdk(string check, string model) => shared.CheckAsync("anthropic", check, model);
}
