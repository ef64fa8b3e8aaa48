using System.Text.Json;
using HotModel.Http;

namespace HotModel.Llama;

/// <summary>One message of the router's event stream, or the word that the stream began anew.</summary>
/// <param name="Model">Empty where it concerns all.</param>
/// <param name="Progress">Set on messages that tell nothing but how far a load is.</param>
internal readonly record struct ModelEvent(string Model, RouterModelStatus Status, LoadProgress? Progress)
{
    public static readonly ModelEvent Hint = new("", RouterModelStatus.Unknown, null);

    /// <summary>Accepts the shapes of llama-server from June 2026 on; what it cannot read is a mere hint.</summary>
    public static ModelEvent Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                return Hint;
            var data = root.TryGetProperty("data", out var inner) && inner.ValueKind == JsonValueKind.Object
                ? inner
                : root;
            var status = RouterModels.ParseStatus(Text(data, "status"));
            return new(Text(root, "model") ?? "", status, ReadProgress(data, status));
        }
        catch (JsonException)
        {
            return Hint;
        }
    }

    // {"stages":[…],"current":"text_model","value":0.5}; builds before that, {"stage":"text_model","value":0.5}.
    private static LoadProgress? ReadProgress(JsonElement data, RouterModelStatus status)
    {
        if (status is not (RouterModelStatus.Loading or RouterModelStatus.Unknown)
            || !data.TryGetProperty("progress", out var progress) || progress.ValueKind != JsonValueKind.Object
            || !progress.TryGetProperty("value", out var value) || value.ValueKind != JsonValueKind.Number
            || !value.TryGetDouble(out var fraction))
            return null;
        var stage = Text(progress, "current") ?? Text(progress, "stage") ?? "";
        return new LoadProgress(stage, Math.Clamp(fraction, 0, 1));
    }

    private static string? Text(JsonElement item, string name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <summary>Follows <c>/models/sse</c>: connects, reconnects, and says so with <see cref="ModelEvent.Hint"/>.</summary>
/// <remarks>
/// There is no snapshot, no replay and no heartbeat, so an event is a reason to read /models again, never an outcome.
/// The
/// head of the answer comes with the first event only, so a stream that is silent cannot be told from one that is not
/// there yet: whoever waits for something must also look from time to time.
/// </remarks>
internal sealed class ModelEvents(RouterClient client, TimeProvider time, Action<ModelEvent> onEvent)
{
    private static readonly TimeSpan RetryFirst = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan RetryMax = TimeSpan.FromSeconds(5);

    // Ample for a request over loopback to be accepted.
    private static readonly TimeSpan ConnectTime = TimeSpan.FromMilliseconds(250);

    // Where there is no event stream a lost model is noticed by looking this often.
    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    public async Task RunAsync(CancellationToken cancel)
    {
        var retry = RetryFirst;
        while (!cancel.IsCancellationRequested)
        {
            // What changed before the router has taken the request is seen by looking once more, shortly after.
            _ = HintSoonAsync(cancel);
            try
            {
                using var response = await client.EventsAsync(cancel);
                if (response?.Status is StatusCodes.Status404NotFound)
                {
                    await PollAsync(cancel);
                    return;
                }
                if (response is { IsSuccess: true })
                {
                    onEvent(ModelEvent.Hint);
                    retry = RetryFirst;
                    await ReadAsync(response, cancel);
                }
            }
            catch (HttpFailure)
            {
                // The stream broke: the router went, or the connection did.
            }
            catch (OperationCanceledException)
            {
                return;
            }
            if (!await DelayAsync(retry, cancel))
                return;
            retry = retry * 2 < RetryMax ? retry * 2 : RetryMax;
        }
    }

    private async Task ReadAsync(HttpReply response, CancellationToken cancel)
    {
        var reader = new SseReader(response.Body);
        while (await reader.ReadAsync(cancel) is { } data)
            onEvent(ModelEvent.Parse(data));
        onEvent(ModelEvent.Hint);
    }

    private async Task PollAsync(CancellationToken cancel)
    {
        while (await DelayAsync(PollInterval, cancel))
            onEvent(ModelEvent.Hint);
    }

    private async Task HintSoonAsync(CancellationToken cancel)
    {
        if (await DelayAsync(ConnectTime, cancel))
            onEvent(ModelEvent.Hint);
    }

    private async Task<bool> DelayAsync(TimeSpan delay, CancellationToken cancel)
    {
        try
        {
            await Task.Delay(delay, time, cancel);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
