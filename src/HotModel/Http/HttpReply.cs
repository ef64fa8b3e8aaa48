namespace HotModel.Http;

/// <summary>An answer whose head is there. Disposed before its body's end, it closes the connection.</summary>
internal sealed class HttpReply(ReplyHead head, ReplyBody body) : IDisposable
{
    public int Status => head.Status;
    public bool IsSuccess => head.Status is >= 200 and <= 299;
    public string? ContentType => head.ContentType;
    public long? ContentLength => head.ContentLength;
    public string? RetryAfter => head.RetryAfter;

    /// <summary>Reads into nothing wait, and go on on the poller's thread.</summary>
    public bool IsPolled => body.IsPolled;

    /// <summary>Its reads throw HttpFailure where the answer breaks off, and OperationCanceledException.</summary>
    public Stream Body => body;

    public bool IsOfType(string mediaType) => head.IsOfType(mediaType);

    public void Dispose() => body.Dispose();
}
