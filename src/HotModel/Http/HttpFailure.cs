namespace HotModel.Http;

internal enum HttpStage
{
    Connect,
    Send,
    /// <summary>Sent, and no whole head of an answer came.</summary>
    Head,
    /// <summary>The answer broke off or is malformed: what was read of it is not all of it.</summary>
    Body,
}

/// <summary>The exchange with a server failed in the network or through the server.</summary>
internal sealed class HttpFailure(HttpStage stage, string message, Exception? cause = null)
    : IOException(message, cause)
{
    public HttpStage Stage => stage;

    /// <summary>Of the answer, not one byte came.</summary>
    public bool IsUnanswered { get; init; }

    /// <summary>The other side refused what was sent: it had closed, or closed before it read all.</summary>
    public bool WasReset { get; init; }
}
