using System.Globalization;
using HotModel.LoadTests;

namespace HotModel.Tests.LoadTests;

public class LoadTests
{
    [Theory]
    [InlineData("8", 8, null)]
    [InlineData("20/s", 20, 1.0)]
    [InlineData("1/5s", 1, 5.0)]
    [InlineData("3/0.5s", 3, 0.5)]
    public void Load_is_clients_or_a_rate(string text, int count, double? seconds)
    {
        Load load = Load.Parse(text)!;

        Assert.Equal((count, seconds), (load.Count, load.Interval?.TotalSeconds));
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("4/")]
    [InlineData("4/5")]
    [InlineData("4/0s")]
    [InlineData("4/-1s")]
    [InlineData("/s")]
    public void Anything_else_is_no_load(string text) => Assert.Null(Load.Parse(text));

    [Theory]
    [InlineData("1/5s", 16, "0 5 10 15")]
    [InlineData("1/5s", 15, "0 5 10")]
    [InlineData("4/2s", 2.1, "0 0.5 1 1.5 2")]
    [InlineData("8", 100, "")]
    public void Runs_of_a_rate_begin_evenly_and_before_the_end(string load, double seconds, string expected)
    {
        IEnumerable<TimeSpan> beginnings = Load.Parse(load)!.BeginningsWithin(TimeSpan.FromSeconds(seconds));

        Assert.Equal(expected, string.Join(' ', beginnings.Select(b => b.TotalSeconds.ToString(CultureInfo.InvariantCulture))));
    }

    [Fact]
    public void Beginnings_of_a_rate_do_not_drift()
    {
        TimeSpan last = Load.Parse("3/s")!.BeginningsWithin(TimeSpan.FromHours(10)).ElementAt(3 * 36_000 - 3);

        Assert.Equal(TimeSpan.FromSeconds(35_999), last);
    }
}
