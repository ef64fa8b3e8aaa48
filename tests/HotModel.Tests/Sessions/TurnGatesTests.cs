using HotModel.Sessions;
using Microsoft.Extensions.Time.Testing;

namespace HotModel.Tests.Sessions;

public class TurnGatesTests
{
    private readonly FakeTimeProvider time = new();
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task EnterAsync_waiters_enter_in_order()
    {
        var gates = new TurnGates(time);
        Assert.True(await gates.EnterAsync("s", Minute, default));
        var waiting = Enumerable.Range(0, 5).Select(_ => gates.EnterAsync("s", Minute, default).AsTask()).ToArray();
        for (var i = 0; i < waiting.Length; i++)
        {
            Assert.All(waiting[i..], task => Assert.False(task.IsCompleted));
            gates.Leave("s");
            Assert.True(await waiting[i]);
        }
        gates.Leave("s");
        Assert.False(gates.IsHeld("s"));
    }

    [Fact]
    public async Task EnterAsync_other_session_does_not_wait()
    {
        var gates = new TurnGates(time);
        Assert.True(await gates.EnterAsync("a", Minute, default));
        Assert.True(await gates.EnterAsync("b", Minute, default));
    }

    [Fact]
    public async Task EnterAsync_wait_over_gives_false_and_leaves_the_queue()
    {
        var gates = new TurnGates(time);
        gates.TryEnter("s");
        var late = gates.EnterAsync("s", Minute, default).AsTask();
        var patient = gates.EnterAsync("s", Minute * 2, default).AsTask();
        time.Advance(Minute);
        Assert.False(await late);
        gates.Leave("s");
        Assert.True(await patient);
    }

    [Fact]
    public async Task EnterAsync_without_wait_answers_at_once()
    {
        var gates = new TurnGates(time);
        gates.TryEnter("s");
        Assert.False(await gates.EnterAsync("s", TimeSpan.Zero, default));
    }

    [Fact]
    public async Task EnterAsync_cancelled_waiter_leaves_the_queue()
    {
        var gates = new TurnGates(time);
        gates.TryEnter("s");
        using var cancel = new CancellationTokenSource();
        var gone = gates.EnterAsync("s", Minute, cancel.Token).AsTask();
        var next = gates.EnterAsync("s", Minute, default).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);
        gates.Leave("s");
        Assert.True(await next);
        gates.Leave("s");
        Assert.False(gates.IsHeld("s"));
    }

    [Fact]
    public async Task EnterAsync_many_threads_one_inside_at_a_time()
    {
        var gates = new TurnGates(TimeProvider.System);
        var (inside, entered) = (0, 0);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
        {
            var random = new Random(worker);
            for (var i = 0; i < 200; i++)
            {
                using var cancel = new CancellationTokenSource();
                if (random.Next(4) == 0)
                    cancel.CancelAfter(TimeSpan.FromMilliseconds(random.Next(2)));
                try
                {
                    if (!await gates.EnterAsync("s", TimeSpan.FromMilliseconds(random.Next(1, 50)), cancel.Token))
                        continue;
                }
                catch (OperationCanceledException)
                {
                    continue;
                }
                Assert.Equal(1, Interlocked.Increment(ref inside));
                entered++;
                Interlocked.Decrement(ref inside);
                gates.Leave("s");
            }
        })));
        Assert.False(gates.IsHeld("s"));
        Assert.True(entered > 0);
    }
}
