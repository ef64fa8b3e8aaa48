using HotModel.Scheduling;

namespace HotModel.Tests.Scheduling;

public class EstimateTests
{
    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    [Fact]
    public void First_measurement_is_not_trusted_and_equal_ones_are()
    {
        var estimate = Estimate.First(Seconds(8));
        Assert.Equal(Seconds(16), estimate.Safe);
        for (var i = 0; i < 30; i++)
            estimate = estimate.With(Seconds(8));
        Assert.InRange(estimate.Safe, Seconds(8), Seconds(8.01));
    }

    [Fact]
    public void New_measurements_count_more()
    {
        var estimate = Estimate.First(Seconds(10)).With(Seconds(10)).With(Seconds(20));
        Assert.Equal(Seconds(12.5), estimate.Mean);
        for (var i = 0; i < 20; i++)
            estimate = estimate.With(Seconds(20));
        Assert.InRange(estimate.Mean, Seconds(19.9), Seconds(20));
    }

    [Fact]
    public void Deviations_of_several_add_up_as_squares_do()
    {
        var sum = new Estimate(Seconds(10), Seconds(3)) + new Estimate(Seconds(5), Seconds(4));
        Assert.Equal(new Estimate(Seconds(15), Seconds(5)), sum);
    }

    [Fact]
    public void One_long_pause_among_short_ones_counts_little()
    {
        var history = ModelHistory.Empty;
        foreach (var pause in new[] { 2.0, 2, 2, 600, 2, 2 })
            history = (history with { PauseBegan = Seconds(0) }).WithArrival(Seconds(pause));
        Assert.InRange(history.Pause!.Value, Seconds(4), Seconds(6));
        Assert.Null(history.PauseBegan);
    }
}
