using System.Net;

namespace HotModel.Configuration;

/// <summary>Who may use the server: keys, and the names and origins by which it is reached.</summary>
internal static class AccessChecks
{
    private const int Sha256Digits = 64;

    private static readonly string[] Scopes = [.. Enum.GetNames<KeyScope>().Select(name => name.ToLowerInvariant())];

    public static void Check(ConfigValues values, List<ConfigError> errors)
    {
        foreach (var (name, key) in values.Keys)
            CheckKey(name, key, errors);
        var server = values["server"];
        foreach (var host in server.Texts("allowed_hosts").Where(host => Uri.CheckHostName(host) == UriHostNameType.Unknown))
        {
            errors.Add(server.OriginOf("allowed_hosts").Error(
                $"allowed_hosts: {TomlText.Quote(host)} is no host name; allowed is a name without scheme and port"));
        }
        foreach (var origin in server.Texts("cors_origins").Where(origin => !IsOrigin(origin)))
        {
            errors.Add(server.OriginOf("cors_origins").Error(
                $"cors_origins: {TomlText.Quote(origin)} is no origin; allowed is scheme, host and port without a path, such as "
                + "\"https://chat.example\""));
        }
        if (server.WholeOrNull("admin_port") == server.Whole("port"))
        {
            errors.Add(server.OriginOf("admin_port").Error(
                "admin_port: is that of port, too; give another one, or none to serve /admin with the rest"));
        }
        if (server.Has("tls_certificate") != server.Has("tls_key"))
        {
            var (given, missing) = server.Has("tls_key") ? ("tls_key", "tls_certificate") : ("tls_certificate", "tls_key");
            errors.Add(server.OriginOf(given).Error($"{given}: needs {missing}, too: PEM files with a certificate and its key"));
        }
        if (server.Has("tls_certificate") && !OperatingSystem.IsLinux())
        {
            errors.Add(server.OriginOf("tls_certificate").Error(
                "tls_certificate: TLS is there on Linux only; elsewhere put a proxy with a certificate in front of HotModel"));
        }
        if (values.Keys.Count == 0 && !server.Flag("allow_without_keys") && !IsLoopback(server.Text("host")))
        {
            errors.Add(server.OriginOf("host").Error(
                $"host: other machines reach {server.Text("host")}, and without a key anybody there could use the models and "
                + "read the conversations; set [keys.NAME], or allow_without_keys = true"));
        }
    }

    /// <summary>What is allowed, and may be a mistake.</summary>
    public static IEnumerable<string> Doubts(HotModelConfig config, ConfigValues values)
    {
        var section = values["server"];
        var server = config.Server;
        if (server.Tls is null && !IsLoopback(server.Host))
        {
            yield return $"{section.OriginOf("host")}: host: other machines reach {server.Host}, and keys and conversations go "
                + "there unencrypted; set tls_certificate and tls_key, unless a proxy in front or a VPN encrypts them";
        }
        if (server.Tls is { Key: var key } && !OperatingSystem.IsWindows() && File.Exists(key)
            && (File.GetUnixFileMode(key) & (UnixFileMode.GroupRead | UnixFileMode.OtherRead)) != 0)
            yield return $"{section.OriginOf("tls_key")}: tls_key: other users of this machine may read {key}: chmod 600";
    }

    /// <summary>The scopes are texts of a list, which the reader of single values does not check.</summary>
    public static bool HasKnownScopes(ConfigSection key) => key.Texts("scopes").All(Scopes.Contains);

    private static void CheckKey(string name, ConfigSection key, List<ConfigError> errors)
    {
        var title = $"[keys.{TomlText.Key(name)}]";
        var hash = key.TextOrNull("sha256");
        if (key.IsMissing("sha256") == key.IsMissing("env"))
            errors.Add(key.Origin.Error($"{title}: give either sha256 or env"));
        if (hash is not null && (hash.Length != Sha256Digits || !hash.All(char.IsAsciiHexDigit)))
        {
            errors.Add(key.OriginOf("sha256").Error(
                $"sha256: not a SHA-256; allowed are {Sha256Digits} hexadecimal digits, as \"hotmodel new-key\" prints them"));
        }
        foreach (var scope in key.Texts("scopes").Where(scope => !Scopes.Contains(scope)))
        {
            errors.Add(key.OriginOf("scopes").Error(
                $"scopes: {TomlText.Quote(scope)} is none; allowed are {string.Join(", ", Scopes)}"));
        }
        if (key.Texts("scopes").Count == 0)
        {
            errors.Add(key.OriginOf("scopes").Error(
                $"scopes: without one the key is good for nothing; allowed are {string.Join(", ", Scopes)}"));
        }
    }

    /// <summary>Anybody on other machines could use it. Where a reload keeps the address, the file alone does not tell.</summary>
    public static bool IsOpen(HotModelConfig config) =>
        config.Keys.Count == 0 && !config.Server.AllowWithoutKeys && !IsLoopback(config.Server.Host);

    private static bool IsLoopback(string host) =>
        host == "localhost" || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));

    private static bool IsOrigin(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
        && uri.GetLeftPart(UriPartial.Authority) == text;
}
