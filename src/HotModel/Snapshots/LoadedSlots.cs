using HotModel.Llama;

namespace HotModel.Snapshots;

/// <summary>The loaded model's slots.</summary>
internal sealed class LoadedSlots(Upstream upstream, Passport passport, SlotBoard board)
{
    public Upstream Upstream { get; } = upstream;
    public Passport Passport { get; } = passport;
    public SlotBoard Board { get; } = board;
    /// <summary>Requests for which llama-server chose the slot, and that it answers now.</summary>
    public int OpenUses { get; set; }
    /// <summary>A slot may be in use of which the board does not know.</summary>
    public bool IsUncertain { get; set; }
    /// <summary>Of evaluating a prompt, by the last answer that told; 0 before the first.</summary>
    public double SecondsPerToken { get; private set; }

    public void LearnSpeed(AnswerTimings timings)
    {
        // Small prompts tell nothing of the speed: most of their time is not evaluation.
        if (timings.PromptTokens >= 32)
            SecondsPerToken = timings.PromptSeconds / timings.PromptTokens;
    }
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
    public double RestoreSeconds { get; set; }
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
