using System.Net;
using System.Text.Json;
using HotModel.Access;
using HotModel.Configuration;
using HotModel.Http;

namespace HotModel.Cli;

/// <summary>The running proxy, as the commands reach it.</summary>
internal sealed class ProxyClient(Uri address) : IDisposable
{
    public const string KeyVariable = "HOTMODEL_API_KEY";

    private readonly HttpEndpoint endpoint = new(address, TimeProvider.System);
    private readonly string? key = Environment.GetEnvironmentVariable(KeyVariable) is { Length: > 0 } set ? set : null;

    /// <summary>Returns with the head of the answer, or throws what the endpoint throws.</summary>
    /// <remarks>A switch may take its drain and its load; who is tired of waiting presses Ctrl+C.</remarks>
    public Task<HttpReply> SendAsync(string method, string path, CancellationToken cancel, byte[]? json = null) =>
        endpoint.SendAsync(new(method, path) { Body = json is null ? null : [json], ApiKey = key }, cancel);

    public static async Task<string> ReadTextAsync(HttpReply reply, CancellationToken cancel)
    {
        using var reader = new StreamReader(reply.Body);
        return await reader.ReadToEndAsync(cancel);
    }

    public string Explain(HttpFailure failure) => failure.Stage == HttpStage.Connect
        ? $"Nothing answers at {address}. Is hotmodel serve running with this configuration?"
        : $"{address} failed: {failure.Message}";

    /// <summary>What else helps here, or nothing.</summary>
    public static string HintOn(string? code) =>
        code == AccessRules.InvalidKeyCode ? $" hotmodel's own commands take one from the environment: {KeyVariable}." : "";

    /// <summary>The message of an OpenAI-shaped error, or the text as it is.</summary>
    public static string ErrorMessage(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            var error = document.RootElement.GetProperty("error");
            return (error.GetProperty("message").GetString() ?? text) + HintOn(error.GetProperty("code").GetString());
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return text;
        }
    }

    public void Dispose() => endpoint.Dispose();
}

internal static class ProxyAddress
{
    /// <summary>Where the /admin of this configuration is reached from this machine.</summary>
    public static Uri OfAdmin(HotModelConfig config) =>
        config.Server.AdminPort is { } port ? new Uri($"http://127.0.0.1:{port}/") : Of(config);

    /// <summary>Where it listens: of 0.0.0.0 and ::, that it is every address of this machine.</summary>
    public static Uri Listening(HotModelConfig config) => new UriBuilder(
        config.Server.Tls is null ? Uri.UriSchemeHttp : Uri.UriSchemeHttps, config.Server.Host, config.Server.Port).Uri;

    /// <summary>Where the proxy of this configuration is reached from this machine, which may speak plain HTTP.</summary>
    public static Uri Of(HotModelConfig config)
    {
        var host = IPAddress.TryParse(config.Server.Host, out var address)
            ? address.Equals(IPAddress.Any) ? "127.0.0.1"
            : address.Equals(IPAddress.IPv6Any) ? "[::1]"
            : address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{address}]"
            : config.Server.Host
            : config.Server.Host;
        return new Uri($"http://{host}:{config.Server.Port}/");
    }
}
