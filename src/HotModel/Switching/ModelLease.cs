using HotModel.Llama;
using HotModel.Scheduling;

namespace HotModel.Switching;

/// <summary>The right to send one request to the active model. A drain waits until every lease is disposed.</summary>
internal sealed class ModelLease(string model, Upstream upstream, Action<ModelLease> onReturned, CancellationToken aborted)
    : IDisposable
{
    private int returned;

    /// <summary>Configured name of the model that answers.</summary>
    public string Model { get; } = model;
    public Upstream Upstream { get; } = upstream;
    /// <summary>The number of the lane that the model is in.</summary>
    public int Lane { get; init; }
    /// <summary>Cancelled when the answer must end now: a forced switch, a lost model, the end of a graceful stop.</summary>
    public CancellationToken Aborted { get; } = aborted;
    /// <summary>Set by the holder once a whole answer came: the proof that the model works.</summary>
    public bool Answered { get; set; }

    /// <summary>Called when the holder finds the model silent; any thread.</summary>
    public Action? OnSilent { private get; init; }

    /// <summary>Given how long the client has taken nothing: whether it holds up others for too long. Any thread.</summary>
    public Func<TimeSpan, bool>? IsHeldTooLong { get; init; }

    /// <summary>The model did not answer: if it is lost, the loop had better know soon.</summary>
    public void ReportSilent() => OnSilent?.Invoke();

    public void Dispose()
    {
        if (Interlocked.Exchange(ref returned, 1) == 0)
            onReturned(this);
    }
}

/// <summary>Answer to a request that asks to be let in: exactly one of the two is set.</summary>
internal readonly record struct Admission(ModelLease? Lease, Refusal? Refusal);

/// <param name="Kind">Why.</param>
/// <param name="Message">One sentence for the client that says what can be done.</param>
/// <param name="RetryAfter">When trying again may help; null where it will not without an operator.</param>
internal sealed record Refusal(RefusalKind Kind, string Message, TimeSpan? RetryAfter);
