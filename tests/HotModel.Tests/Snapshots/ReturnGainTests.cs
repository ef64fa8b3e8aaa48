using HotModel.Snapshots;

namespace HotModel.Tests.Snapshots;

public sealed class ReturnGainTests
{
    [Theory]
    [InlineData(511, 0.099, false)]
    [InlineData(31, 5, false)]
    [InlineData(32, 0.1, true)]
    [InlineData(512, 0.01, true)]
    public void Prompt_tells_the_speed_if_most_of_its_time_went_into_its_tokens(int tokens, double seconds, bool tells)
    {
        var speed = new PromptSpeed(known: null);
        speed.Learn(Prompt(tokens, seconds));
        Assert.Equal(tells ? seconds / tokens : null, speed.SecondsPerToken);
    }

    [Fact]
    public void Speed_of_an_earlier_run_holds_until_this_one_tells()
    {
        var speed = new PromptSpeed(known: 0.5);
        speed.Learn(Prompt(20, 0.001));
        Assert.Equal(0.5, speed.SecondsPerToken);
        speed.Learn(Prompt(1000, 1));
        Assert.Equal(0.001, speed.SecondsPerToken);
    }

    [Fact]
    public void Long_prompts_tell_more_of_the_speed_than_short_ones()
    {
        var speed = new PromptSpeed(known: null);
        speed.Learn(Prompt(3960, 3.96));
        speed.Learn(Prompt(40, 4.04));
        Assert.Equal(0.002, speed.SecondsPerToken!.Value, precision: 9);
    }

    [Fact]
    public void What_came_from_files_and_what_was_evaluated_ahead_are_counted_apart()
    {
        var gain = new ReturnGain();
        gain.Read(seconds: 2);
        gain.Used(restored: 1000, ahead: 0, secondsPerToken: 0.01);
        gain.Used(restored: 500, ahead: 300, secondsPerToken: 0.01);
        Assert.Equal(new WarmTotals(1500, 13, 300, 3), gain.Totals);
    }

    [Fact]
    public void Reading_that_nobody_used_costs_and_an_unknown_speed_saves_nothing()
    {
        var gain = new ReturnGain();
        gain.Read(seconds: 2);
        Assert.Equal(new WarmTotals(0, 0, 0, 0), gain.Totals);
        gain.Used(restored: 1000, ahead: 10, secondsPerToken: null);
        Assert.Equal(new WarmTotals(1000, 0, 10, 0), gain.Totals);
        gain.Used(restored: 100, ahead: 0, secondsPerToken: 0.05);
        Assert.Equal(3, gain.Totals.SavedSeconds);
    }

    private static AnswerTimings Prompt(int tokens, double seconds) => new(0, tokens, 1, seconds);
}
