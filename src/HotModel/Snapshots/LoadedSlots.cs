using HotModel.Llama;
using HotModel.Sessions;

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
}

/// <summary>A conversation's slot for the time of one request.</summary>
internal sealed class TakenSlot(WarmReturn owner, LoadedSlots current, int slot, string session) : IDisposable
{
    private HeldTokens? held;
    private bool isLeft;

    public LoadedSlots Current { get; } = current;
    public int Slot { get; } = slot;
    public string Session { get; } = session;
    /// <summary>The slot held the conversation already.</summary>
    public bool IsOwn { get; init; }
    /// <summary>Of this conversation, from a file, of whose use its answer will tell; else 0.</summary>
    public int UnprovenTokens { get; set; }
    /// <summary>From a file, of which the answer before has used none; else 0.</summary>
    public int UnusedTokens { get; init; }
    /// <summary>Of this conversation, and not yet used by an answer.</summary>
    public ReadFile FromFile { get; set; }
    /// <summary>Behind that, evaluated before it was asked for.</summary>
    public int AheadTokens { get; init; }
    /// <summary>llama-server has begun with its answer.</summary>
    public bool HasBegun { get; set; }

    /// <summary>The whole answer has come, and the turn is stored; null: it said nothing of its cost.</summary>
    public void Answered(AnswerTimings? timings)
    {
        if (timings is { } told)
            held = new HeldTokens(told.HeldTokens, owner.Answered(this, told), UnusedBy(told));
    }

    /// <summary>What was to be evaluated ahead is, and the slot is left.</summary>
    /// <param name="timings">Of that.</param>
    /// <param name="history">Of the messages that the slot covers whole.</param>
    public void EvaluatedAhead(AnswerTimings timings, MessageHash history)
    {
        isLeft = true;
        owner.LeaveAhead(this, timings, history);
    }

    /// <summary>What came from a file and should have been of use to an answer, and was not.</summary>
    public int UnusedBy(AnswerTimings timings) => timings.CachedTokens == 0 ? UnprovenTokens : 0;

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
        owner.Leave(this, held);
    }
}

/// <summary>What a slot holds when its answer has come.</summary>
/// <param name="History">Of the messages that it covers.</param>
/// <param name="Unused">Tokens that came from a file and that the answer did not use.</param>
internal readonly record struct HeldTokens(int Tokens, MessageHash History, int Unused);

/// <summary>To be disposed once.</summary>
internal sealed class OpenUse(WarmReturn owner, LoadedSlots current) : IDisposable
{
    public void Dispose() => owner.EndOpenUse(current);
}
