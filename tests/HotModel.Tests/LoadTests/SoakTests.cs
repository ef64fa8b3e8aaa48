using HotModel.LoadTests;
using HotModel.LoadTests.Scenarios;
using Soak;

namespace HotModel.Tests.LoadTests;

/// <summary>What the soak calls lost, doubled, leaked and excused.</summary>
public class SoakTests
{
    private static readonly Load OneClient = new(1, null);

    [Theory]
    // Capital letters are questions that were answered whole, small ones broke off; then what is stored.
    [InlineData("AB", "A a B b", null)]
    [InlineData("AxB", "A a B b", null)]
    [InlineData("AxB", "A a x x B b", null)]
    [InlineData("AB", "A a", "answered and not stored")]
    [InlineData("AB", "B b A a", "answered and not stored")]
    [InlineData("AB", "A a A a B b", "answered and not stored")]
    [InlineData("A", "A a A a", "2 messages are stored that nobody sent, or twice")]
    [InlineData("Ax", "A a x x x x", "2 messages are stored that nobody sent, or twice")]
    [InlineData("A", "A", "the question is stored without its answer")]
    [InlineData("AB", "A a B c", "another answer is stored")]
    public void Conversation_is_compared_with_what_its_client_got(string turns, string stored, string? problem)
    {
        var asked = turns.Select(letter =>
        {
            var turn = new TalkTurn(letter.ToString()) { IsWhole = char.IsUpper(letter) };
            turn.Add(turn.IsWhole ? char.ToLowerInvariant(letter).ToString() : "");
            return turn;
        });
        var messages = stored.Split(' ').Select((text, i) => new StoredMessage(i % 2 == 0 ? "user" : "assistant", text));
        var found = StoredTalk.Problem([.. asked], [.. messages]);
        if (problem is null)
            Assert.Null(found);
        else
            Assert.StartsWith(problem, found);
    }

    [Theory]
    [InlineData(null, FailureKind.Told, false)]
    [InlineData(FailureKind.Told, FailureKind.Told, true)]
    [InlineData(FailureKind.Told, FailureKind.Torn, false)]
    [InlineData(FailureKind.Torn, FailureKind.Told, true)]
    [InlineData(FailureKind.Torn, FailureKind.Torn, true)]
    [InlineData(FailureKind.Torn, FailureKind.Wrong, false)]
    internal async Task Fault_excuses_no_more_than_it_may_break(FailureKind? mayBreak, FailureKind seen, bool isExcused)
    {
        var record = new FaultRecord();
        var end = record.Begin(new Fault("a fault", mayBreak, _ => Task.FromResult(true)));
        var scenario = record.Watch(new Scenario("any", OneClient,
            () => Task.FromResult(new Outcome("502", 0, "it failed") { Kind = seen })));
        Assert.Equal(isExcused, (await scenario.RunAsync()).Failure is null);
        end(TimeSpan.FromSeconds(1));
        // It had begun after the end.
        Assert.NotNull((await scenario.RunAsync()).Failure);
        Assert.Equal(isExcused ? 1 : 0, record.Effects["a fault"].Told + record.Effects["a fault"].Torn);
    }

    [Fact]
    public async Task Request_that_a_fault_met_is_excused_after_it_too()
    {
        var record = new FaultRecord();
        var end = record.Begin(new Fault("a fault", FailureKind.Told, _ => Task.FromResult(true)));
        var scenario = record.Watch(new Scenario("any", OneClient, () =>
        {
            end(TimeSpan.Zero);
            return Task.FromResult(new Outcome("502", 0, "it failed") { Kind = FailureKind.Told });
        }));
        Assert.Null((await scenario.RunAsync()).Failure);
    }

    [Fact]
    public void Trend_compares_the_first_third_with_the_last_and_sees_the_slope()
    {
        double[] megabytes = [40, 90, 41, 42, 43, 44, 45, 46, 47];
        var trend = Trend.Of([.. megabytes.Select((m, i) => new QuietSample(i, m, 0, 0, 0))], s => s.ResidentMegabytes);
        Assert.Equal((41, 46), (trend.First, trend.Last));
        Assert.Equal(0.122, trend.Growth, 3);
        var line = Trend.Of([.. Enumerable.Range(0, 5).Select(i => new QuietSample(i, 40 + (2 * i), 0, 0, 0))],
            s => s.ResidentMegabytes);
        Assert.Equal(2, line.PerHour, 6);
    }

    [Theory]
    [InlineData(2, 1, 2, 1)]
    [InlineData(3, 1, 4, 1)]
    [InlineData(20, 8, 30, 4)]
    internal void Plan_has_rounds_of_each_kind(int minutes, int warmUp, int steady, int restarts) =>
        Assert.Equal(new SoakPlan(warmUp, steady, restarts), SoakPlan.Of(TimeSpan.FromMinutes(minutes)));
}
