namespace HotModel.Http;

/// <summary>A server that speaks plain HTTP/1.1, and the connections to it that are idle.</summary>
/// <remarks>
/// A connection serves again after an answer that was read to its end. The server may close it just as the next request
/// is on its way. Such a request is sent once more, on a new connection, where nothing of an answer came and
/// - the connection was reset: the server's system refused bytes of it, so the server has not read it and cannot have
///   acted on it ("some means to detect that the original request was never applied", RFC 9110, 9.2.2), or
/// - it is idempotent.
/// A POST that the server read before it closed without a word, a crash for instance, is the caller's to decide about.
/// Windows alone resets the connections of a process that was killed, whatever it had read: there a POST may be read
/// twice where at once another process listens on the same port.
/// </remarks>
internal sealed class HttpEndpoint : IDisposable
{
    // llama-server closes idle connections after 5 s (its Keep-Alive header says so).
    private static readonly TimeSpan IdleLimit = TimeSpan.FromSeconds(4);
    // More answers than this at once are rare, and their connections cost no more than a new one each.
    private const int IdleMax = 64;

    private readonly TimeProvider time;
    private readonly Poller? poller;
    private readonly ITimer sweep;
    private readonly Lock gate = new();
    // The last one is used next: the others become old and are closed.
    private readonly List<HttpConnection> idle = [];
    private bool isDisposed;

    /// <param name="address">Such as http://127.0.0.1:28000/; paths are relative to it.</param>
    /// <param name="time">Ages idle connections and bounds connecting.</param>
    /// <param name="poller">By what its connections wait; null: by .NET's own.</param>
    public HttpEndpoint(Uri address, TimeProvider time, Poller? poller = null)
    {
        if (address.Scheme != Uri.UriSchemeHttp || !address.AbsolutePath.EndsWith('/'))
            throw new ArgumentException($"{address} is not http://HOST:PORT/PATH/.");
        Address = address;
        this.time = time;
        this.poller = poller;
        sweep = time.CreateTimer(static endpoint => ((HttpEndpoint)endpoint!).Sweep(), this,
            Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public Uri Address { get; }

    /// <summary>Returns when the head of the answer is there. Its body is read from the result.</summary>
    /// <exception cref="HttpFailure">No answer.</exception>
    /// <exception cref="OperationCanceledException">The connection is closed, so that the server notices.</exception>
    public async Task<HttpReply> SendAsync(OutgoingRequest request, CancellationToken cancel)
    {
        // An idle connection takes it without a wait, and a server that has it begins.
        cancel.ThrowIfCancellationRequested();
        byte[] head = request.WriteHead(Address);
        if (TakeIdle() is { } reused)
        {
            try
            {
                return await ExchangeAsync(reused, head, request, cancel);
            }
            catch (HttpFailure failure) when (failure.IsUnanswered && (failure.WasReset || request.IsIdempotent))
            {
            }
        }
        var opened = await HttpConnection.OpenAsync(Address, poller, time, cancel);
        return await ExchangeAsync(opened, head, request, cancel);
    }

    /// <summary>For the body that has been read to its end.</summary>
    public void Return(HttpConnection connection)
    {
        connection.ForgetCancellation();
        lock (gate)
        {
            if (!isDisposed && idle.Count < IdleMax)
            {
                idle.Add(connection);
                if (idle.Count == 1)
                    sweep.Change(IdleLimit, Timeout.InfiniteTimeSpan);
                return;
            }
        }
        connection.Dispose();
    }

    /// <summary>Answers that are being read go on; their connections are closed at their end.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            isDisposed = true;
            idle.ForEach(connection => connection.Dispose());
            idle.Clear();
        }
        sweep.Dispose();
    }

    private async Task<HttpReply> ExchangeAsync(
        HttpConnection connection, byte[] head, OutgoingRequest request, CancellationToken cancel)
    {
        bool isUsable = false;
        try
        {
            HttpFailure? unsent = null;
            try
            {
                await connection.SendAsync(head, request.Body ?? [], cancel);
            }
            catch (HttpFailure failure)
            {
                // A server may answer without reading all of a request, and then close.
                unsent = failure;
            }
            ReplyHead reply;
            try
            {
                reply = await connection.ReadHeadAsync(cancel);
            }
            catch (HttpFailure failure) when (unsent is not null && failure.IsUnanswered)
            {
                throw unsent;
            }
            isUsable = true;
            // For the server that may be the end of its answer, however long the rest waits here for a slow client.
            connection.IdleSince = time.GetTimestamp();
            bool isBodiless = request.Method == "HEAD" || reply.Status is 204 or 304;
            return new HttpReply(reply, new ReplyBody(this, connection, reply, isBodiless, isReusable: unsent is null));
        }
        finally
        {
            if (!isUsable)
                connection.Dispose();
        }
    }

    private HttpConnection? TakeIdle()
    {
        while (true)
        {
            HttpConnection connection;
            lock (gate)
            {
                if (idle.Count == 0)
                    return null;
                connection = idle[^1];
                idle.RemoveAt(idle.Count - 1);
            }
            if (time.GetElapsedTime(connection.IdleSince) < IdleLimit && connection.IsQuiet)
                return connection;
            connection.Dispose();
        }
    }

    private void Sweep()
    {
        List<HttpConnection> old;
        lock (gate)
        {
            // One time for all of it: what is young enough to stay has time left to wait.
            long now = time.GetTimestamp();
            int young = idle.FindIndex(connection => time.GetElapsedTime(connection.IdleSince, now) < IdleLimit);
            old = idle.GetRange(0, young < 0 ? idle.Count : young);
            idle.RemoveRange(0, old.Count);
            if (idle.Count > 0)
                sweep.Change(IdleLimit - time.GetElapsedTime(idle[0].IdleSince, now), Timeout.InfiniteTimeSpan);
        }
        // Outside, for every stream that ends comes to the same gate.
        old.ForEach(connection => connection.Dispose());
    }
}
