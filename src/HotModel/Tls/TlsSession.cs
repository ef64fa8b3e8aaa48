namespace HotModel.Tls;

/// <summary>What a call of OpenSSL came to.</summary>
internal enum TlsStep
{
    Done,
    /// <summary>The client has to send more first.</summary>
    NeedsBytes,
    /// <summary>The client has said that it sends no more.</summary>
    Ended,
    /// <summary>What came is no TLS, or was changed on its way.</summary>
    Broken,
}

/// <summary>The secrets of one connection: bytes in, bytes out. It knows no socket, and never waits.</summary>
/// <remarks>From any thread: a connection reads and writes at once, and OpenSSL's object is not made for that.</remarks>
internal sealed class TlsSession : IDisposable
{
    private readonly Lock gate = new();
    private readonly nint incoming = OpenSsl.BIO_new(OpenSsl.BIO_s_mem());
    private readonly nint outgoing = OpenSsl.BIO_new(OpenSsl.BIO_s_mem());
    private nint session;

    public TlsSession(nint context)
    {
        session = OpenSsl.SSL_new(context);
        // From here on the two belong to it.
        OpenSsl.SSL_set_bio(session, incoming, outgoing);
        OpenSsl.SSL_set_accept_state(session);
    }

    public TlsStep Handshake()
    {
        lock (gate)
        {
            if (session == 0)
                return TlsStep.Broken;
            OpenSsl.ERR_clear_error();
            return StepOf(OpenSsl.SSL_do_handshake(session));
        }
    }

    /// <param name="plain">Gets what the client has said; not empty.</param>
    /// <param name="count">How much that is.</param>
    public unsafe TlsStep Read(Span<byte> plain, out int count)
    {
        lock (gate)
        {
            count = 0;
            if (session == 0)
                return TlsStep.Broken;
            OpenSsl.ERR_clear_error();
            int result;
            fixed (byte* start = plain)
                result = OpenSsl.SSL_read(session, start, plain.Length);
            count = Math.Max(result, 0);
            return StepOf(result);
        }
    }

    /// <param name="plain">What the client is told; not empty.</param>
    public unsafe TlsStep Write(ReadOnlySpan<byte> plain)
    {
        lock (gate)
        {
            if (session == 0)
                return TlsStep.Broken;
            OpenSsl.ERR_clear_error();
            fixed (byte* start = plain)
                return StepOf(OpenSsl.SSL_write(session, start, plain.Length));
        }
    }

    /// <summary>Says that nothing more is sent.</summary>
    public void End()
    {
        lock (gate)
        {
            if (session == 0)
                return;
            OpenSsl.ERR_clear_error();
            // 0: the client has not said so yet, and need not.
            _ = OpenSsl.SSL_shutdown(session);
        }
    }

    /// <summary>Bytes that came over the network.</summary>
    public unsafe void Take(ReadOnlySpan<byte> bytes)
    {
        lock (gate)
        {
            if (session == 0)
                return;
            fixed (byte* start = bytes)
            {
                if (OpenSsl.BIO_write(incoming, start, bytes.Length) != bytes.Length)
                    throw new IOException("OpenSSL has no memory for what came.");
            }
        }
    }

    /// <summary>How many bytes have to go over the network.</summary>
    public int Pending
    {
        get
        {
            lock (gate)
                return session == 0 ? 0 : (int)OpenSsl.BIO_ctrl_pending(outgoing);
        }
    }

    /// <summary>Some of these bytes.</summary>
    public unsafe int Give(Span<byte> bytes)
    {
        lock (gate)
        {
            if (session == 0)
                return 0;
            fixed (byte* start = bytes)
                return Math.Max(OpenSsl.BIO_read(outgoing, start, bytes.Length), 0);
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            OpenSsl.SSL_free(session);
            session = 0;
        }
    }

    private TlsStep StepOf(int result) => result > 0 ? TlsStep.Done : OpenSsl.SSL_get_error(session, result) switch
    {
        OpenSsl.ErrorWantRead => TlsStep.NeedsBytes,
        OpenSsl.ErrorZeroReturn => TlsStep.Ended,
        _ => TlsStep.Broken,
    };
}
