using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace HotModel.FunctionalTests.Harness;

/// <summary>A root, an intermediate and certificates for localhost that lead to them, as PEM files.</summary>
internal sealed class Certificates : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("hotmodel-tls-").FullName;
    private static readonly DateTimeOffset Now = DateTimeOffset.UtcNow;

    private readonly X509Certificate2 root;
    private readonly X509Certificate2 intermediate;

    public Certificates()
    {
        root = Issue("CN=root", null, Now.AddDays(-100), Now.AddDays(100), isAuthority: true);
        intermediate = Issue("CN=intermediate", root, Now.AddDays(-90), Now.AddDays(90), isAuthority: true);
    }

    public string CertificatePath => Path.Combine(folder, "certificate.pem");
    public string KeyPath => Path.Combine(folder, "key.pem");

    /// <summary>For [server].</summary>
    public string Toml => $"tls_certificate = \"{CertificatePath}\"\ntls_key = \"{KeyPath}\"";

    /// <summary>A new one in the two files, and the intermediate behind it.</summary>
    public X509Certificate2 Write(double fromDays = -1, double toDays = 1, bool isRsa = false)
    {
        var own = Issue("CN=localhost", intermediate, Now.AddDays(fromDays), Now.AddDays(toDays), isAuthority: false, isRsa);
        File.WriteAllText(CertificatePath, own.ExportCertificatePem() + "\n" + intermediate.ExportCertificatePem() + "\n");
        WriteKey(KeyOf(own).ExportPkcs8PrivateKeyPem());
        return own;
    }

    public void WriteKey(string pem)
    {
        File.WriteAllText(KeyPath, pem + "\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(KeyPath, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    public static AsymmetricAlgorithm KeyOf(X509Certificate2 certificate) =>
        (AsymmetricAlgorithm?)certificate.GetECDsaPrivateKey() ?? certificate.GetRSAPrivateKey()!;

    /// <summary>Knows the root alone: the server has to send the intermediate.</summary>
    /// <param name="seen">Gets the server's own certificate.</param>
    public HttpClient NewClient(int port, Action<string>? seen = null)
    {
        var handler = new SocketsHttpHandler { UseProxy = false, PooledConnectionLifetime = TimeSpan.Zero };
        handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            CustomTrustStore = { root },
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
        {
            seen?.Invoke(((X509Certificate2)certificate!).Thumbprint);
            return errors == System.Net.Security.SslPolicyErrors.None;
        };
        return new HttpClient(handler)
        {
            BaseAddress = new Uri($"https://localhost:{port}/"),
            Timeout = TimeSpan.FromMinutes(2),
            DefaultRequestVersion = HttpVersion.Version20,
        };
    }

    public void Dispose()
    {
        root.Dispose();
        intermediate.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private static X509Certificate2 Issue(
        string name, X509Certificate2? issuer, DateTimeOffset from, DateTimeOffset to, bool isAuthority, bool isRsa = false)
    {
        using var rsa = isRsa ? RSA.Create(2048) : null;
        using var curve = isRsa ? null : ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = rsa is not null
            ? new CertificateRequest(name, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest(name, curve!, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, critical: true));
        if (!isAuthority)
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName("localhost");
            names.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
        }
        if (issuer is null)
            return request.CreateSelfSigned(from, to);
        using var issued = request.Create(
            issuer.SubjectName, X509SignatureGenerator.CreateForECDsa(issuer.GetECDsaPrivateKey()!), from, to, Guid.NewGuid().ToByteArray());
        return rsa is not null ? issued.CopyWithPrivateKey(rsa) : issued.CopyWithPrivateKey(curve!);
    }
}
