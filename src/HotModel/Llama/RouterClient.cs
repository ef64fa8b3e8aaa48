using System.Globalization;
using System.Text.Json;
using HotModel.Http;

namespace HotModel.Llama;

/// <param name="Status">0 where no answer came: refused, cut off, timed out.</param>
internal readonly record struct RouterReply(int Status, ReadOnlyMemory<byte> Body)
{
    public bool IsOk => Status == 200;

    /// <summary>The text of <c>{"error":{"message":…}}</c>, or null.</summary>
    public string? ErrorMessage
    {
        get
        {
            try
            {
                using var document = JsonDocument.Parse(Body);
                return document.RootElement.ValueKind == JsonValueKind.Object
                    && document.RootElement.TryGetProperty("error", out var error)
                    && error.ValueKind == JsonValueKind.Object
                    && error.TryGetProperty("message", out var message)
                    && message.ValueKind == JsonValueKind.String ? message.GetString() : null;
            }
            catch (JsonException)
            {
                return null;
            }
        }
    }
}

internal enum SlotsState
{
    /// <summary>No answer, an error, or the route is switched off.</summary>
    Unknown,
    Idle,
    Busy,
}

/// <summary>
/// llama-server over HTTP, as far as loading and unloading need it. An answer that does not come is a value.
/// </summary>
internal sealed class RouterClient : IDisposable
{
    // /models is the largest answer: about 1 KB a model.
    private const int BodyBytesMax = 16 * 1024 * 1024;

    // The router answers each of these within milliseconds, a busy machine's within a second.
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(5);

    private readonly string? key;
    private readonly TimeProvider time;
    private readonly HttpEndpoint endpoint;

    public RouterClient(Uri address, string? key, TimeProvider time)
    {
        this.key = key;
        this.time = time;
        endpoint = new HttpEndpoint(address, time);
    }

    public Task<RouterReply> GetAsync(string path, CancellationToken cancel) =>
        SendAsync(HttpMethods.Get, path, null, cancel);

    public Task<RouterReply> PropsAsync(CancellationToken cancel) => GetAsync("props", cancel);

    /// <returns>Null where no list came.</returns>
    public async Task<IReadOnlyList<RouterModel>?> ModelsAsync(CancellationToken cancel)
    {
        var reply = await GetAsync("models", cancel);
        return reply.IsOk ? RouterModels.Parse(reply.Body) : null;
    }

    public Task<RouterReply> LoadAsync(string id, CancellationToken cancel) =>
        SendAsync(HttpMethods.Post, "models/load", id, cancel);

    public Task<RouterReply> UnloadAsync(string id, CancellationToken cancel) =>
        SendAsync(HttpMethods.Post, "models/unload", id, cancel);

    /// <summary>Without autoload=false the question itself would load the model and evict another.</summary>
    public Task<RouterReply> SlotsAsync(string id, CancellationToken cancel) =>
        GetAsync($"slots?model={Uri.EscapeDataString(id)}&autoload=false", cancel);

    public Task<RouterReply> ModelPropsAsync(string id, CancellationToken cancel) =>
        GetAsync($"props?model={Uri.EscapeDataString(id)}&autoload=false", cancel);

    /// <summary>Saves a slot to a file in the folder of --slot-save-path, restores it from there, or empties it.</summary>
    /// <param name="action">save, restore or erase, which needs no file.</param>
    /// <param name="limit">How long the answer may take: as long as the file needs.</param>
    public Task<RouterReply> SlotAsync(
        string id, int slot, string action, string file, TimeSpan limit, CancellationToken cancel)
    {
        var path = string.Create(CultureInfo.InvariantCulture,
            $"slots/{slot}?action={action}&model={Uri.EscapeDataString(id)}&autoload=false");
        return SendAsync(Request(HttpMethods.Post, path, Body(("model", id), ("filename", file))), limit, cancel);
    }

    public static SlotsState ReadSlots(RouterReply reply)
    {
        if (!reply.IsOk)
            return SlotsState.Unknown;
        try
        {
            using var document = JsonDocument.Parse(reply.Body);
            if (document.RootElement.ValueKind != JsonValueKind.Array)
                return SlotsState.Unknown;
            foreach (var slot in document.RootElement.EnumerateArray())
            {
                if (slot.ValueKind == JsonValueKind.Object
                    && slot.TryGetProperty("is_processing", out var busy) && busy.ValueKind == JsonValueKind.True)
                    return SlotsState.Busy;
            }
            return SlotsState.Idle;
        }
        catch (JsonException)
        {
            return SlotsState.Unknown;
        }
    }

    /// <summary>Opens the event stream. llama-server sends the head of its answer only with the first event.</summary>
    /// <returns>The answer, its body unread; null where none came.</returns>
    public async Task<HttpReply?> EventsAsync(CancellationToken cancel)
    {
        try
        {
            return await endpoint.SendAsync(
                Request(HttpMethods.Get, "models/sse", null) with { Accept = "text/event-stream" }, cancel);
        }
        catch (HttpFailure)
        {
            return null;
        }
    }

    public void Dispose() => endpoint.Dispose();

    private Task<RouterReply> SendAsync(string method, string path, string? model, CancellationToken cancel) =>
        SendAsync(Request(method, path, model is null ? null : Body(("model", model))), AnswerLimit, cancel);

    private async Task<RouterReply> SendAsync(OutgoingRequest request, TimeSpan limit, CancellationToken cancel)
    {
        using var limited = new CancellationTokenSource(limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limited.Token, cancel);
        try
        {
            using var reply = await endpoint.SendAsync(request, either.Token);
            return new RouterReply(reply.Status, await ReadAsync(reply.Body, either.Token));
        }
        catch (HttpFailure)
        {
            return default;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return default;
        }
    }

    private static async Task<ReadOnlyMemory<byte>> ReadAsync(Stream body, CancellationToken cancel)
    {
        var buffer = new byte[4096];
        var length = 0;
        int count;
        while ((count = await body.ReadAsync(buffer.AsMemory(length), cancel)) > 0)
        {
            length += count;
            if (length > BodyBytesMax)
                throw new HttpFailure(HttpStage.Body, "The answer of llama-server is too long.");
            if (length == buffer.Length)
                Array.Resize(ref buffer, buffer.Length * 2);
        }
        return buffer.AsMemory(0, length);
    }

    private OutgoingRequest Request(string method, string path, byte[]? body) => new(method, path)
    {
        ApiKey = key,
        Body = body is null ? null : [body],
    };

    private static byte[] Body(params ReadOnlySpan<(string Name, string Value)> members)
    {
        var body = new MemoryStream();
        using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartObject();
            foreach (var (name, value) in members)
                json.WriteString(name, value);
            json.WriteEndObject();
        }
        return body.ToArray();
    }
}
