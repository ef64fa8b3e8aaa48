using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using HotModel.Access;

namespace HotModel.Tls;

/// <summary>Where the certificate is: PEM files.</summary>
/// <param name="Certificate">The server's own first, then those that lead to one that clients know.</param>
/// <param name="Key">Without a passphrase.</param>
internal sealed record TlsFiles(string Certificate, string Key);

/// <summary>A certificate with its key, ready for connections.</summary>
internal sealed class TlsCertificate : IDisposable
{
    private nint context;

    private TlsCertificate(nint context, string identity)
    {
        this.context = context;
        Identity = identity;
    }

    /// <summary>Of both files: another text, another certificate.</summary>
    public string Identity { get; }

    /// <param name="files">Where.</param>
    /// <param name="now">A certificate has its time.</param>
    /// <param name="certificate">The caller's to dispose.</param>
    /// <param name="problem">A sentence without its full stop, with the key of the configuration that it is about.</param>
    public static bool TryLoad(
        TlsFiles files, DateTimeOffset now, [NotNullWhen(true)] out TlsCertificate? certificate,
        [NotNullWhen(false)] out string? problem)
    {
        certificate = null;
        problem = Missing() ?? Unreadable("tls_certificate", files.Certificate) ?? Unreadable("tls_key", files.Key);
        if (problem is not null)
            return false;
        var context = NewContext();
        problem = Use(context, files);
        if (problem is null)
        {
            var (begins, ends) = ValidityOf(context);
            problem = now > ends ? $"tls_certificate: {files.Certificate} has ended on {ends:u}"
                : now < begins ? $"tls_certificate: {files.Certificate} begins on {begins:u} only" : null;
        }
        if (problem is not null)
        {
            OpenSsl.SSL_CTX_free(context);
            return false;
        }
        certificate = new TlsCertificate(context, IdentityOf(files));
        return true;
    }

    /// <summary>For one connection, which outlives this.</summary>
    public TlsSession NewSession() => new(context);

    public void Dispose()
    {
        OpenSsl.SSL_CTX_free(context);
        context = 0;
    }

    private static string? Missing() => OpenSsl.IsThere ? null
        : "tls_certificate: TLS needs OpenSSL 3 (libssl.so.3), which is not on this machine; on Debian and Ubuntu: "
            + "apt install libssl3";

    private static string? Unreadable(string key, string path)
    {
        try
        {
            File.OpenRead(path).Dispose();
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e is FileNotFoundException or DirectoryNotFoundException
                ? $"{key}: there is no file {path}" : $"{key}: {path} cannot be read: {e.Message}";
        }
    }

    private static unsafe nint NewContext()
    {
        var context = OpenSsl.SSL_CTX_new(OpenSsl.TLS_server_method());
        // RFC 8996: older versions are not to be used. The machine's own policy may ask for more.
        OpenSsl.SSL_CTX_ctrl(context, OpenSsl.ControlMinProtocolVersion, OpenSsl.Tls12, 0);
        OpenSsl.SSL_CTX_ctrl(context, OpenSsl.ControlMode, OpenSsl.ModeReleaseBuffers, 0);
        // Clients come back with tickets, which take no memory here.
        OpenSsl.SSL_CTX_ctrl(context, OpenSsl.ControlSessionCacheMode, 0, 0);
        OpenSsl.SSL_CTX_set_options(context, OpenSsl.OptionNoRenegotiation);
        fixed (byte* none = "\0"u8)
            OpenSsl.SSL_CTX_set_default_passwd_cb_userdata(context, none);
        return context;
    }

    /// <summary>The key first: where the certificate does not belong to it, the library forgets it, and that shows.</summary>
    private static string? Use(nint context, TlsFiles files)
    {
        OpenSsl.ERR_clear_error();
        if (OpenSsl.SSL_CTX_use_PrivateKey_file(context, files.Key, OpenSsl.FileTypePem) != 1)
            return $"tls_key: {files.Key} has no private key in PEM without a passphrase ({Reason()})";
        if (OpenSsl.SSL_CTX_use_certificate_chain_file(context, files.Certificate) != 1)
            return $"tls_certificate: {files.Certificate} has no certificate in PEM ({Reason()})";
        return OpenSsl.SSL_CTX_check_private_key(context) == 1 ? null
            : $"tls_key: {files.Key} is not the key of the first certificate in {files.Certificate}, "
                + "which has to be the server's own";
    }

    private static (DateTimeOffset Begins, DateTimeOffset Ends) ValidityOf(nint context)
    {
        var certificate = OpenSsl.SSL_CTX_get0_certificate(context);
        OpenSsl.ASN1_TIME_to_tm(OpenSsl.X509_get0_notBefore(certificate), out var first);
        OpenSsl.ASN1_TIME_to_tm(OpenSsl.X509_get0_notAfter(certificate), out var last);
        return (first.Utc, last.Utc);
    }

    private static string IdentityOf(TlsFiles files) => Convert.ToHexString(
        Sha256.Hash([.. File.ReadAllBytes(files.Certificate), .. File.ReadAllBytes(files.Key)]));

    /// <summary>The library's word for its last failure.</summary>
    internal static string Reason()
    {
        var reason = "unknown";
        while (OpenSsl.ERR_get_error() is var error and not 0)
            reason = Marshal.PtrToStringUTF8(OpenSsl.ERR_reason_error_string(error)) ?? reason;
        return reason;
    }
}
