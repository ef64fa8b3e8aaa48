using System.Buffers;
using System.IO.Pipelines;
using HotModel.Api;
using HotModel.Http;

namespace HotModel.Proxy;

internal enum RelayEnd
{
    /// <summary>The client has the whole answer.</summary>
    Complete,
    /// <summary>The answer is not whole, and the client has yet to be told.</summary>
    Cut,
    /// <summary>The answer is not whole; the upstream itself told the client.</summary>
    CutByUpstreamError,
    ClientGone,
    /// <summary>The request ended while the client took no bytes: only closing the connection is left.</summary>
    ClientBlocked,
}

/// <param name="End">How.</param>
/// <param name="Error">Set where it is Cut or ClientBlocked.</param>
internal readonly record struct RelayResult(RelayEnd End, ForwardError? Error);

/// <summary>Passes an event stream on byte for byte, and reads it in passing.</summary>
/// <remarks>
/// What arrives goes on at once, up to the last line end. The beginning of a line stays until the rest of the line is
/// there: no client can use it earlier, and so a stream that breaks off ends at a line, and text that is not of an
/// event stream never reaches the client.
/// </remarks>
/// <param name="upstream">The body of the upstream's answer.</param>
/// <param name="client">Where it goes.</param>
/// <param name="scope">Ends it.</param>
/// <param name="answer">Reads the events; null: then the upstream's proper end is what makes the answer whole.</param>
/// <param name="silenceLimit">Between two arrivals.</param>
internal sealed class SseRelay(
    Stream upstream, PipeWriter client, RequestScope scope, AnswerCollector? answer, TimeSpan silenceLimit)
{
    /// <summary>llama-server sends a comment every 30 s at work; others may be silent over a long prompt.</summary>
    public static readonly TimeSpan DefaultSilenceLimit = TimeSpan.FromMinutes(10);

    // A server that does not end its answer after its end mark must not hold the lease.
    private static readonly TimeSpan EndGrace = TimeSpan.FromSeconds(2);

    private const int MinReadBytes = 1 << 10;
    // The beginning of a line as long goes in front of what arrives next, into the client's memory. A longer one would be
    // copied there and back for each arrival: it stays where it is until its line end is there.
    private const int ShortBytes = 2 << 10;
    // One event of a long answer's last chunk may carry the whole prompt.
    private const int LineLimitBytes = 16 << 20;

    private readonly SseScanner scanner = new(answer);
    private byte[] carry = [];
    private int carried;
    private bool isComplete;
    private ForwardError? error;

    public long RelayedBytes { get; private set; }

    /// <summary>Returns on a thread of the pool, where the caller may block.</summary>
    /// <param name="onComplete">
    /// Called once, when the answer is whole and before the client can see that it is; it may block.
    /// </param>
    public async Task<RelayResult> RunAsync(Action onComplete)
    {
        Task<RelayResult> relay;
        // Nothing in it reads what flows, and to carry it over every wait costs.
        using (ExecutionContext.SuppressFlow())
            relay = RelayAsync(onComplete);
        try
        {
            return await relay;
        }
        finally
        {
            await Poller.LeaveAsync();
        }
    }

    private async Task<RelayResult> RelayAsync(Action onComplete)
    {
        bool hasEnded = false;
        while (!hasEnded)
        {
            bool isDirect = carried <= ShortBytes;
            Memory<byte> room = default;
            int read = 0;
            scope.ExpectBytesWithin(scanner.IsDone ? EndGrace : silenceLimit);
            try
            {
                // Memory is taken when there is something to put into it: most streams wait most of the time.
                read = await upstream.ReadAsync(Memory<byte>.Empty, scope.Token);
                room = isDirect ? client.GetMemory(carried + MinReadBytes) : RoomBehindCarry();
                read = await upstream.ReadAsync(room[carried..], scope.Token);
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                error = ForwardError.Of(scope, ForwardStage.ResponseBody) ?? Broken("broke off");
            }
            // At the end nothing was put into it.
            if (read == 0 && !room.IsEmpty && isDirect)
                client.Advance(0);
            int ready = read == 0 ? TakeRest() : isDirect ? TakeDirect(room.Span[..(carried + read)]) : TakeCarried(read);
            hasEnded = read == 0 || scanner.IsForeign || error is not null;
            if (!isComplete && !scanner.HasError && (scanner.IsDone || (hasEnded && HasEndedWell)))
            {
                isComplete = true;
                await Poller.LeaveAsync();
                onComplete();
            }
            RelayedBytes += ready;
            if (ready > 0 && await ClientFlush.RunAsync(client, scope) is { } end)
                return new(isComplete ? RelayEnd.Complete : end, ForwardError.Of(scope, ForwardStage.ResponseBody));
        }
        return isComplete ? new(RelayEnd.Complete, null)
            : scanner.HasError ? new(RelayEnd.CutByUpstreamError, null)
            : error is { Culprit: Culprit.Client } ? new(RelayEnd.ClientGone, null)
            : new(RelayEnd.Cut, error ?? Early());
    }

    /// <summary>Ends a cut stream so that clients see an error and not a short answer.</summary>
    public async Task WriteErrorAsync(ForwardError reason, ErrorShape shape)
    {
        if (scanner.IsInsideEvent)
            client.Write("\n"u8);
        StreamError.Write(client, StreamFailure.Of(reason), shape);
        await client.FlushAsync();
    }

    /// <summary>Without an end mark, only an orderly end behind the last finish_reason makes an answer whole.</summary>
    /// <remarks>
    /// Where it broke off there or ended within a line, the chunk with the usage may be missing, and the client cannot
    /// know unless it is told.
    /// A client that left behind the last finish_reason took what it wanted.
    /// Streams whose events nobody reads have a mark of their own API, or none.
    /// </remarks>
    private bool HasEndedWell => !scanner.IsForeign && (answer is null
        ? error is null
        : answer.IsFinished && (error is null or { Culprit: Culprit.Client }));

    /// <param name="room">What was carried belongs in front of what arrived.</param>
    private int TakeDirect(Span<byte> room)
    {
        carry.AsSpan(0, carried).CopyTo(room);
        int whole = scanner.Scan(room, carried);
        ReadOnlySpan<byte> rest = scanner.IsForeign ? default : room[whole..];
        EnsureCarry(rest.Length);
        rest.CopyTo(carry);
        carried = rest.Length;
        client.Advance(whole);
        return whole;
    }

    private int TakeCarried(int read)
    {
        int searched = carried;
        carried += read;
        int whole = scanner.Scan(carry.AsSpan(0, carried), searched);
        if (whole > 0)
        {
            client.Write(carry.AsSpan(0, whole));
            carried -= whole;
            carry.AsSpan(whole, carried).CopyTo(carry);
        }
        else if (carried >= LineLimitBytes)
        {
            error = Broken("sent a line that is too long");
        }
        return whole;
    }

    /// <summary>A last line without a line end, where the stream has ended as it should.</summary>
    private int TakeRest()
    {
        if (error is not null)
            return 0;
        int whole = scanner.ScanEnd(carry.AsSpan(0, carried));
        if (whole < carried)
            error = Early();
        if (!scanner.IsDone && answer is not { IsFinished: true })
            return 0;
        client.Write(carry.AsSpan(0, whole));
        return whole;
    }

    private Memory<byte> RoomBehindCarry()
    {
        EnsureCarry(carried + MinReadBytes);
        return carry;
    }

    private void EnsureCarry(int bytes)
    {
        if (carry.Length < bytes)
            Array.Resize(ref carry, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)bytes));
    }

    private ForwardError Early() => Broken(scanner.IsForeign ? "sent text that is no answer" : "ended too early");

    private static ForwardError Broken(string how) => new(ForwardStage.ResponseBody, Culprit.Upstream,
        $"The model's server {how} before the answer was complete; send the request again.");
}
