using System.Buffers;
using System.IO.Pipelines;
using HotModel.Http;

namespace HotModel.Proxy;

/// <summary>Passes a body on as it comes, at the pace of the slower side.</summary>
internal sealed class BodyRelay(Stream upstream, PipeWriter client, RequestScope scope, TimeSpan silenceLimit)
{
    private const int MinReadBytes = 4 << 10;

    public long RelayedBytes { get; private set; }

    /// <summary>How long it is; null: only its end tells.</summary>
    public long? DeclaredBytes { private get; init; }

    /// <summary>Called where the length was declared, once all is there and before the client has taken the last of it.</summary>
    public required Action OnWhole { private get; init; }

    /// <param name="start">What was read of it before.</param>
    public async Task<RelayResult> RunAsync(ReadOnlyMemory<byte> start)
    {
        client.Write(start.Span);
        RelayedBytes = start.Length;
        while (true)
        {
            bool isWhole = RelayedBytes == DeclaredBytes;
            if (isWhole)
                OnWhole();
            RelayEnd? end = await ClientFlush.RunAsync(client, scope);
            if (isWhole)
                return new(RelayEnd.Complete, null);
            if (end is not null)
                return new(end.Value, ForwardError.Of(scope, ForwardStage.ResponseBody));
            scope.ExpectBytesWithin(silenceLimit);
            int read;
            try
            {
                read = await upstream.ReadAsync(client.GetMemory(MinReadBytes), scope.Token);
            }
            catch (Exception e) when (e is HttpFailure or OperationCanceledException)
            {
                return new(
                    scope.Cause == EndCause.ClientGone ? RelayEnd.ClientGone : RelayEnd.Cut,
                    ForwardError.Of(scope, ForwardStage.ResponseBody) ?? BrokenOff);
            }
            if (read == 0)
                return new(RelayEnd.Complete, null);
            client.Advance(read);
            RelayedBytes += read;
        }
    }

    public static readonly ForwardError BrokenOff = new(ForwardStage.ResponseBody, Culprit.Upstream,
        "The model's server broke off its answer; send the request again.");
}
