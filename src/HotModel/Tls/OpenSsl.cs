using System.Runtime.InteropServices;

namespace HotModel.Tls;

/// <summary>The few calls of OpenSSL 3 that a server needs. Native names kept.</summary>
/// <remarks>
/// .NET's SslStream is a binding to the same library, but brings chains of certificates and their downloads, with
/// HttpClient, into the executable: 3 MB. The libraries are opened at the first call, so that only TLS needs them.
/// </remarks>
internal static partial class OpenSsl
{
    private const string Ssl = "libssl.so.3";
    private const string Crypto = "libcrypto.so.3";

    public const int FileTypePem = 1;
    public const int ErrorSsl = 1;
    public const int ErrorWantRead = 2;
    public const int ErrorZeroReturn = 6;

    public const int ControlMode = 33;
    public const int ControlSessionCacheMode = 44;
    public const int ControlMinProtocolVersion = 123;
    public const nint Tls12 = 0x0303;
    /// <summary>A connection that is silent holds no buffers.</summary>
    public const nint ModeReleaseBuffers = 0x10;
    public const ulong OptionNoRenegotiation = 1ul << 30;

    public static bool IsThere => NativeLibrary.TryLoad(Ssl, out _);

    [LibraryImport(Ssl)]
    public static partial nint TLS_server_method();

    [LibraryImport(Ssl)]
    public static partial nint SSL_CTX_new(nint method);

    [LibraryImport(Ssl)]
    public static partial void SSL_CTX_free(nint context);

    [LibraryImport(Ssl)]
    public static partial nint SSL_CTX_ctrl(nint context, int command, nint number, nint pointer);

    [LibraryImport(Ssl)]
    public static partial ulong SSL_CTX_set_options(nint context, ulong options);

    /// <param name="context">Whose keys are read.</param>
    /// <param name="text">The passphrase of an encrypted one. Without it the library would ask on the terminal.</param>
    [LibraryImport(Ssl)]
    public static unsafe partial void SSL_CTX_set_default_passwd_cb_userdata(nint context, byte* text);

    [LibraryImport(Ssl, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SSL_CTX_use_PrivateKey_file(nint context, string path, int type);

    [LibraryImport(Ssl, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SSL_CTX_use_certificate_chain_file(nint context, string path);

    [LibraryImport(Ssl)]
    public static partial int SSL_CTX_check_private_key(nint context);

    [LibraryImport(Ssl)]
    public static partial nint SSL_CTX_get0_certificate(nint context);

    [LibraryImport(Ssl)]
    public static partial nint SSL_new(nint context);

    [LibraryImport(Ssl)]
    public static partial void SSL_free(nint session);

    [LibraryImport(Ssl)]
    public static partial void SSL_set_accept_state(nint session);

    [LibraryImport(Ssl)]
    public static partial void SSL_set_bio(nint session, nint incoming, nint outgoing);

    [LibraryImport(Ssl)]
    public static partial int SSL_do_handshake(nint session);

    [LibraryImport(Ssl)]
    public static unsafe partial int SSL_read(nint session, byte* bytes, int count);

    [LibraryImport(Ssl)]
    public static unsafe partial int SSL_write(nint session, byte* bytes, int count);

    [LibraryImport(Ssl)]
    public static partial int SSL_shutdown(nint session);

    [LibraryImport(Ssl)]
    public static partial int SSL_get_error(nint session, int result);

    [LibraryImport(Crypto)]
    public static partial nint BIO_s_mem();

    [LibraryImport(Crypto)]
    public static partial nint BIO_new(nint method);

    [LibraryImport(Crypto)]
    public static unsafe partial int BIO_read(nint memory, byte* bytes, int count);

    [LibraryImport(Crypto)]
    public static unsafe partial int BIO_write(nint memory, byte* bytes, int count);

    [LibraryImport(Crypto)]
    public static partial nuint BIO_ctrl_pending(nint memory);

    [LibraryImport(Crypto)]
    public static partial nint X509_get0_notBefore(nint certificate);

    [LibraryImport(Crypto)]
    public static partial nint X509_get0_notAfter(nint certificate);

    [LibraryImport(Crypto)]
    public static partial int ASN1_TIME_to_tm(nint time, out BrokenDownTime broken);

    [LibraryImport(Crypto)]
    public static partial nuint ERR_get_error();

    [LibraryImport(Crypto)]
    public static partial void ERR_clear_error();

    [LibraryImport(Crypto)]
    public static partial nint ERR_reason_error_string(nuint error);

    /// <summary>struct tm of glibc and musl on 64-bit systems.</summary>
    public struct BrokenDownTime
    {
        public int Second, Minute, Hour, Day, Month, YearSince1900, WeekDay, YearDay, IsSummer;
        public nint Offset, Zone;

        public readonly DateTimeOffset Utc =>
            new(1900 + YearSince1900, 1 + Month, Day, Hour, Minute, Math.Min(Second, 59), TimeSpan.Zero);
    }
}
