namespace HotModel.Switching;

/// <summary>What a client that waits is told. For display: it is old when it is read.</summary>
/// <param name="State">The loop's phase; "queued" while others come first, "conversation" for the turn before.</param>
/// <param name="Model">The model that the request waits for, where that is known.</param>
/// <param name="Percent">How much of it is loaded, where that is known.</param>
/// <param name="Position">Its place in line, 1 being the next, where that is known.</param>
internal sealed record WaitStatus(string State, string? Model = null, int? Percent = null, int? Position = null)
{
    /// <summary>An earlier request of the same conversation is still being answered.</summary>
    public static readonly WaitStatus OfConversation = new("conversation");

    /// <summary>Of a request that waits for the model that it names, or for whatever model comes.</summary>
    public static WaitStatus Of(string? named, int? position, SwitchStatus status, ProgressNews? progress)
    {
        var coming = status.GoalModel ?? status.ActiveModel;
        // Others come first: what the loop does is not done for this one yet.
        if (named is not null && named != coming)
            return new WaitStatus("queued", named, Position: position);
        // The last word of an earlier load may come after the next one has begun.
        int? percent = status.Phase == "loading" && progress is not null && progress.Model == coming
            ? (int)(Math.Clamp(progress.Fraction, 0, 1) * 100)
            : null;
        return new WaitStatus(status.Phase, coming, percent, position);
    }

    /// <summary>Of a request that has been let in and whose answer has not begun.</summary>
    public static WaitStatus Admitted(string model) => new("ready", model);
}
