using System.Text;
using HotModel.LoadTests.Scenarios;

namespace HotModel.Tests.LoadTests;

public class EventStreamTests
{
    private const string Role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n";
    private const string Token = "data: {\"choices\":[{\"delta\":{\"content\":\" one\"}}]}\n\n";
    private const string Finish = "data: {\"choices\":[{\"finish_reason\":\"stop\",\"delta\":{}}]}\n\n";
    private const string Done = "data: [DONE]\n\n";

    [Fact]
    public async Task Answer_is_whole_however_it_is_cut()
    {
        const string Text = Role + Token + ":\n\n" + Token + Finish + Done;
        for (int piece = 1; piece <= Text.Length; piece++)
        {
            int tokens = 0;
            var events = new EventStream(new MemoryStream(Encoding.ASCII.GetBytes(Text))) { OnToken = _ => tokens++ };
            while (await events.ReadAsync(piece, TestContext.Current.CancellationToken))
            {
            }

            Assert.Null(events.Problem);
            Assert.Equal((2, 2, Text.Length), (tokens, events.Tokens, events.Bytes));
        }
    }

    [Theory]
    [InlineData(Token + Finish, "it ended without [DONE] after 1 tokens")]
    [InlineData(Token + "data: {\"cho", "it ended within an event: data: {\"cho")]
    [InlineData(Role + Finish + Done, "it has no token")]
    [InlineData(Token + Done + Token, "it goes on after [DONE]")]
    [InlineData(Token + "data: {\"error\":{\"message\":\"gone\"}}\n\n", "an event says: data: {\"error\"")]
    [InlineData(Token + "proxy error: gone\n\n" + Done, "an event says: proxy error: gone")]
    public async Task Answer_that_is_not_whole_is_a_problem(string text, string problem)
    {
        var events = new EventStream(new MemoryStream(Encoding.ASCII.GetBytes(text)));
        while (await events.ReadAsync(null, TestContext.Current.CancellationToken))
        {
        }

        Assert.StartsWith(problem, events.Problem);
    }
}
