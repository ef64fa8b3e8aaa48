using HotModel.Llama;

namespace HotModel.Snapshots;

/// <summary>The loaded model's slots.</summary>
internal sealed class LoadedSlots(Upstream upstream, Passport passport, SlotBoard board, PromptSpeed speed)
{
    public Upstream Upstream { get; } = upstream;
    public Passport Passport { get; } = passport;
    public SlotBoard Board { get; } = board;
    /// <summary>Requests for which llama-server chose the slot, and that it answers now.</summary>
    public int OpenUses { get; set; }
    /// <summary>A slot may be in use of which the board does not know.</summary>
    public bool IsUncertain { get; set; }
    public PromptSpeed Speed { get; } = speed;

    // Since the load, or since they were taken.
    private long reusedTokens;
    private double readingSeconds;

    /// <summary>What evaluating the reused tokens would have taken, less the reading; 0 as long as the speed is not known.
    /// </summary>
    public double SavedSeconds => Speed.SecondsPerToken is { } each ? Math.Max(0, (reusedTokens * each) - readingSeconds) : 0;

    /// <summary>They count elsewhere from now on.</summary>
    public double TakeSavedSeconds()
    {
        var seconds = SavedSeconds;
        (reusedTokens, readingSeconds) = (0, 0);
        return seconds;
    }

    public void Read(double seconds) => readingSeconds += seconds;

    public void Reused(int tokens) => reusedTokens += tokens;
}

/// <summary>A conversation's slot for the time of one request.</summary>
internal sealed class TakenSlot(WarmReturn owner, LoadedSlots current, int slot, string session) : IDisposable
{
    private int? tokens;
    private bool isLeft;

    public LoadedSlots Current { get; } = current;
    public int Slot { get; } = slot;
    public string Session { get; } = session;
    /// <summary>Of this conversation, from a file, that its answer will tell the use of; else 0.</summary>
    public int RestoredTokens { get; set; }
    /// <summary>Of this conversation, evaluated before it was asked for, that its answer will tell the use of; else 0.</summary>
    public int AheadTokens { get; init; }

    /// <summary>The whole answer has come; null: it said nothing of its cost.</summary>
    public void Answered(AnswerTimings? timings)
    {
        if (timings is not { } told)
            return;
        tokens = told.HeldTokens;
        owner.Answered(this, told);
    }

    /// <summary>What was to be evaluated ahead is, and the slot is left.</summary>
    public void EvaluatedAhead(AnswerTimings timings)
    {
        isLeft = true;
        owner.LeaveAhead(this, timings);
    }

    /// <summary>Nothing will be sent to the slot.</summary>
    public void GiveUp(HeldConversation? still)
    {
        isLeft = true;
        owner.GiveUp(this, still);
    }

    public void Dispose()
    {
        if (isLeft)
            return;
        isLeft = true;
        owner.Leave(this, tokens);
    }
}

/// <summary>To be disposed once.</summary>
internal sealed class OpenUse(WarmReturn owner, LoadedSlots current) : IDisposable
{
    public void Dispose() => owner.EndOpenUse(current);
}
