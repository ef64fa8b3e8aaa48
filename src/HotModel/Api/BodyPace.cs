using HotModel.Proxy;

namespace HotModel.Api;

/// <summary>Sees to it that a long body, which takes memory that others wait for, goes on coming.</summary>
/// <remarks>
/// The web server's own bound is an average over the whole body: one that began fast might then be silent for a day.
/// Here each half minute has to bring as much as that average asks of it.
/// </remarks>
internal sealed class BodyPace : IDisposable
{
    private static readonly TimeSpan Span = TimeSpan.FromSeconds(30);
    private static readonly int SpanBytes = WebServer.SlowestBytesPerSecond * (int)Span.TotalSeconds;

    private readonly CancellationToken request;
    private readonly CancellationTokenSource limit;
    private readonly CancellationTokenSource either;
    private int spanStart;

    private BodyPace(TimeProvider time, CancellationToken request)
    {
        this.request = request;
        limit = new CancellationTokenSource(Span, time);
        either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, request);
    }

    /// <summary>The body is too slow, or the request has ended.</summary>
    public CancellationToken Token => either.Token;

    public bool IsTooSlow => limit.IsCancellationRequested && !request.IsCancellationRequested;

    /// <summary>Null for a short body, which takes nothing from others.</summary>
    public static BodyPace? For(long? declaredBytes, TimeProvider time, CancellationToken request) =>
        declaredBytes <= BoundedBody.FirstBufferBytes ? null : new(time, request);

    /// <param name="length">So many bytes have come.</param>
    public void Look(int length)
    {
        if (length - spanStart < SpanBytes)
            return;
        spanStart = length;
        limit.CancelAfter(Span);
    }

    public void Dispose()
    {
        either.Dispose();
        limit.Dispose();
    }
}
