using HotModel.Scheduling;

namespace HotModel.Switching;

/// <summary>What a request wants of the gate.</summary>
internal sealed record RequestAsk
{
    /// <summary>The active model, whatever it is.</summary>
    public static readonly RequestAsk Active = new();

    /// <summary>Configured name; null: the active one.</summary>
    public string? Model { get; init; }
    public RequestIntent Intent { get; init; }
    /// <summary>Is about an answer that runs: let in at once where one does, whatever the gate says.</summary>
    public bool JoinsAnswer { get; init; }
    /// <summary>Its own bound on waiting; null: the configured one.</summary>
    public TimeSpan? Patience { get; init; }
    /// <summary>Of its own bound, before it came to the gate.</summary>
    public TimeSpan Spent { get; init; }

    /// <summary>The same, so much later.</summary>
    public RequestAsk After(TimeSpan time) => Patience is null ? this : this with { Spent = Spent + time };
}
