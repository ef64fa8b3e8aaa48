namespace HotModel.Tests.Cli;

public class SwitchCommandTests
{
    [Theory]
    [InlineData("x")]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("1000001")]
    [InlineData("NaN")]
    [InlineData("1e400")]
    [InlineData("1,5")]
    [InlineData("5s")]
    public void Drain_timeout_that_is_none_is_told_what_it_must_be(string value)
    {
        var parsed = Program.Create().Parse(["switch", "a", "--drain-timeout", value]);

        Assert.Equal(["--drain-timeout must be a number of seconds, 0 to 1000000."], parsed.Errors.Select(e => e.Message));
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("2.5", 2.5)]
    [InlineData("1000000", 1e6)]
    public void Drain_timeout_in_seconds_is_taken(string value, double seconds)
    {
        var parsed = Program.Create().Parse(["switch", "a", "--drain-timeout", value]);

        Assert.Empty(parsed.Errors);
        Assert.Equal(seconds, parsed.GetValue<double?>("--drain-timeout"));
    }

    [Fact]
    public void Drain_timeout_that_is_not_given_is_the_configured_one()
    {
        var parsed = Program.Create().Parse(["switch", "a"]);

        Assert.Empty(parsed.Errors);
        Assert.Null(parsed.GetValue<double?>("--drain-timeout"));
    }
}
