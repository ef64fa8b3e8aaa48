using System.IO.Pipelines;
using Microsoft.AspNetCore.Http.Features;

namespace HotModel.Tests.Api;

/// <summary>A client's connection that has no room, not even for the head of an answer.</summary>
/// <param name="inner">The connection itself.</param>
/// <param name="stuck">Set when something was to be sent.</param>
internal sealed class StuckHead(IHttpResponseBodyFeature inner, TaskCompletionSource stuck)
    : PipeWriter, IHttpResponseBodyFeature
{
    private readonly TaskCompletionSource<FlushResult> never = new();

    private int flushes;

    /// <summary>How often something was to be sent.</summary>
    public int Flushes => Volatile.Read(ref flushes);
    public Stream Stream => inner.Stream;
    public PipeWriter Writer => this;

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        Interlocked.Increment(ref flushes);
        stuck.TrySetResult();
        return new(never.Task);
    }

    public override void Advance(int bytes) => inner.Writer.Advance(bytes);
    public override Memory<byte> GetMemory(int sizeHint = 0) => inner.Writer.GetMemory(sizeHint);
    public override Span<byte> GetSpan(int sizeHint = 0) => inner.Writer.GetSpan(sizeHint);
    public override void CancelPendingFlush() => inner.Writer.CancelPendingFlush();
    public override void Complete(Exception? exception = null) => inner.Writer.Complete(exception);

    public Task StartAsync(CancellationToken cancellationToken = default) => inner.StartAsync(cancellationToken);
    public Task CompleteAsync() => inner.CompleteAsync();
    public void DisableBuffering() => inner.DisableBuffering();

    public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) =>
        inner.SendFileAsync(path, offset, count, cancellationToken);
}
