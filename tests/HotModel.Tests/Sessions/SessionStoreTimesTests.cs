using HotModel.Scheduling;

namespace HotModel.Tests.Sessions;

/// <summary>How long models took, over a restart.</summary>
public sealed class SessionStoreTimesTests : IDisposable
{
    private readonly StateFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static Estimate Seconds(double mean, double deviation) =>
        new(TimeSpan.FromSeconds(mean), TimeSpan.FromSeconds(deviation));

    [Fact]
    public void The_newest_times_of_each_model_outlive_a_restart()
    {
        var times = new ModelTimes(Seconds(12.5, 1), Seconds(0.25, 0), Seconds(3, 2));
        using (var store = folder.Open())
        {
            Assert.Empty(store.ReadTimes());
            store.KeepTimes("a", new ModelTimes(Seconds(99, 9), null, Seconds(1, 1)));
            store.KeepTimes("a", times);
            store.KeepTimes("b", new ModelTimes(Seconds(1, 0), null, null));
        }
        using var again = folder.Open();
        Assert.Equal(
            new Dictionary<string, ModelTimes> { ["a"] = times, ["b"] = new(Seconds(1, 0), null, null) }, again.ReadTimes());
    }
}
