using HotModel.Llama;
using HotModel.Snapshots;

namespace HotModel.Tests.Snapshots;

public sealed class LoadedSlotsTests
{
    private readonly LoadedSlots slots = new(
        new Upstream(new Uri("http://localhost/"), "m", null), new Passport("a", "f", "m"), new SlotBoard(1), new PromptSpeed());

    [Fact]
    public void Saved_seconds_are_known_with_the_first_prompt_that_tells_the_speed()
    {
        slots.Read(seconds: 2);
        slots.Reused(1000);
        slots.Speed.Learn(new AnswerTimings(CachedTokens: 1000, PromptTokens: 20, PredictedTokens: 1, PromptSeconds: 5));
        Assert.Equal(0, slots.SavedSeconds);
        slots.Speed.Learn(new AnswerTimings(CachedTokens: 0, PromptTokens: 100, PredictedTokens: 1, PromptSeconds: 1));
        Assert.Equal(8, slots.SavedSeconds);
    }

    [Fact]
    public void Long_prompts_tell_more_of_the_speed_than_short_ones()
    {
        slots.Speed.Learn(new AnswerTimings(0, PromptTokens: 3960, 1, PromptSeconds: 3.96));
        slots.Speed.Learn(new AnswerTimings(0, PromptTokens: 40, 1, PromptSeconds: 4.04));
        slots.Reused(1000);
        Assert.Equal(2, slots.SavedSeconds, precision: 6);
    }

    [Fact]
    public void Seconds_that_were_taken_count_once_and_the_speed_stays_known()
    {
        slots.Speed.Learn(new AnswerTimings(0, PromptTokens: 100, 1, PromptSeconds: 1));
        slots.Reused(100);
        Assert.Equal(1, slots.TakeSavedSeconds());
        Assert.Equal(0, slots.SavedSeconds);
        slots.Reused(100);
        Assert.Equal(1, slots.SavedSeconds);
    }
}
