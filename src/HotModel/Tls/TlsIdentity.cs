namespace HotModel.Tls;

/// <summary>The certificate in force, which a reload replaces. From any thread.</summary>
internal sealed class TlsIdentity(TlsCertificate certificate) : IDisposable
{
    private readonly Lock gate = new();
    private TlsCertificate now = certificate;

    public TlsSession NewSession()
    {
        lock (gate)
            return now.NewSession();
    }

    public bool Is(TlsCertificate other) => other.Identity == now.Identity;

    /// <summary>Connections that are there keep theirs.</summary>
    public void Replace(TlsCertificate next)
    {
        lock (gate)
            (now, next) = (next, now);
        next.Dispose();
    }

    public void Dispose() => now.Dispose();
}
