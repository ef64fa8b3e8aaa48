using System.Globalization;
using System.Text.Json;

namespace HotModel.Llama;

internal enum RouterModelStatus { Unknown, Unloaded, Downloading, Loading, Loaded, Sleeping, Stopping }

/// <summary>One item of the router's <c>GET /models</c>.</summary>
/// <param name="StopTimeout">What the model's preset says, else llama-server's default.</param>
/// <param name="Port">Where the model's own process listens on 127.0.0.1, if the router tells.</param>
internal sealed record RouterModel(
    string Id, RouterModelStatus Status, bool Failed, TimeSpan StopTimeout, int? Port = null)
{
    /// <summary>The command line of the model's process, if the router tells.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    // llama-server's own default for stop-timeout.
    public static readonly TimeSpan DefaultStopTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Has a process, or is about to.</summary>
    public bool IsUp => Status is not (RouterModelStatus.Unknown or RouterModelStatus.Unloaded);

    public bool IsReady => Status is RouterModelStatus.Loaded or RouterModelStatus.Sleeping;
}

/// <summary>Reads the three shapes in which versions and servers tell a model's status.</summary>
internal static class RouterModels
{
    /// <returns>Null where the body is not a list of models.</returns>
    public static IReadOnlyList<RouterModel>? Parse(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty("data", out var data)
                || data.ValueKind != JsonValueKind.Array)
                return null;
            var models = new List<RouterModel>(data.GetArrayLength());
            foreach (var item in data.EnumerateArray())
            {
                if (item.ValueKind == JsonValueKind.Object
                    && item.TryGetProperty("id", out var id) && id.ValueKind == JsonValueKind.String)
                    models.Add(ReadModel(id.GetString()!, item));
            }
            return models;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public static RouterModelStatus ParseStatus(string? word) => word?.ToLowerInvariant() switch
    {
        "unloaded" => RouterModelStatus.Unloaded,
        "downloading" => RouterModelStatus.Downloading,
        "loading" => RouterModelStatus.Loading,
        "loaded" => RouterModelStatus.Loaded,
        "sleeping" => RouterModelStatus.Sleeping,
        "stopping" or "unloading" => RouterModelStatus.Stopping,
        _ => RouterModelStatus.Unknown,
    };

    private static RouterModel ReadModel(string id, JsonElement item)
    {
        var status = RouterModelStatus.Unknown;
        var failed = false;
        var stopTimeout = RouterModel.DefaultStopTimeout;
        IReadOnlyList<string> arguments = [];
        if (item.TryGetProperty("status", out var value))
        {
            if (value.ValueKind == JsonValueKind.String)
                status = ParseStatus(value.GetString());
            else if (value.ValueKind == JsonValueKind.Object)
            {
                status = ParseStatus(Text(value, "value"));
                failed = value.TryGetProperty("failed", out var flag) && flag.ValueKind == JsonValueKind.True;
                stopTimeout = StopTimeout(Text(value, "preset"));
                arguments = Arguments(value);
            }
        }
        else if (item.TryGetProperty("loaded", out var loaded))
        {
            status = loaded.ValueKind switch
            {
                JsonValueKind.True => RouterModelStatus.Loaded,
                JsonValueKind.False => RouterModelStatus.Unloaded,
                _ => RouterModelStatus.Unknown,
            };
        }
        return new RouterModel(id, status, failed, stopTimeout, Port(arguments)) { Arguments = arguments };
    }

    /// <summary>The router shows it as "args".</summary>
    private static IReadOnlyList<string> Arguments(JsonElement status) =>
        status.TryGetProperty("args", out var args) && args.ValueKind == JsonValueKind.Array
            && args.EnumerateArray().All(arg => arg.ValueKind == JsonValueKind.String)
            ? [.. args.EnumerateArray().Select(arg => arg.GetString()!)]
            : [];

    private static int? Port(IReadOnlyList<string> arguments)
    {
        for (var i = 0; i + 1 < arguments.Count; i++)
        {
            if (arguments[i] == "--port")
            {
                return int.TryParse(arguments[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out var port)
                    ? port : null;
            }
        }
        return null;
    }

    private static string? Text(JsonElement item, string name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    // The preset comes back as INI text.
    private static TimeSpan StopTimeout(string? preset)
    {
        foreach (var line in (preset ?? "").AsSpan().EnumerateLines())
        {
            var equals = line.IndexOf('=');
            if (equals > 0 && line[..equals].Trim().SequenceEqual("stop-timeout")
                && int.TryParse(
                    line[(equals + 1)..].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
                return TimeSpan.FromSeconds(seconds);
        }
        return RouterModel.DefaultStopTimeout;
    }
}
