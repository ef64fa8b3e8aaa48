using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace FakeLlamaServer;

/// <summary>GET /models/sse: frames without event or id lines, no snapshot, no replay, no heartbeat.</summary>
/// <remarks>
/// Its faults: no-sse (404) · sse-stalls (nothing comes) · sse-repeats · sse-late=MS · sse-reversed (the last of a change
/// first) · sse-old-shape · sse-garbage (between events) · sse-long (events of megabytes between) · sse-half (of an event,
/// and the connection breaks).
/// </remarks>
internal sealed class EventHub(Faults faults)
{
    private const int LongEventBytes = 3 << 20;
    private const int Repeats = 3;

    private readonly Lock gate = new();
    private readonly List<Channel<Frame>> subscribers = [];
    private readonly List<string> heldBack = [];

    private sealed record Frame(string Text, bool Breaks = false);

    public void Publish(string model, string name, JsonObject data)
    {
        var isOld = faults.Take("sse-old-shape", model);
        var content = new JsonObject { ["model"] = model, ["event"] = isOld ? "model_status" : name };
        if (isOld)
            Merge(content, data);
        else
            content["data"] = data;
        var frame = $"data: {content.ToJsonString()}\n\n";
        if (faults.Take("sse-stalls", model))
            return;
        if (faults.TakeNumber("sse-late", model) is { } late)
            _ = SendLaterAsync(frame, late);
        else if (faults.Take("sse-reversed", model))
            HoldBack(frame, isLast: (string?)data["status"] is "loaded" or "unloaded");
        else if (faults.Take("sse-half", model))
            Send(new Frame(frame[..(frame.Length / 2)], Breaks: true));
        else
            Send(new Frame(Around(frame, model)));
    }

    public void PublishProgress(string model, double value)
    {
        var progress = faults.Take("sse-old-shape", model)
            ? new JsonObject { ["stage"] = "text_model", ["value"] = value }
            : new JsonObject { ["stages"] = new JsonArray("text_model"), ["current"] = "text_model", ["value"] = value };
        Publish(model, "status_change", new JsonObject { ["status"] = "loading", ["progress"] = progress });
    }

    public async Task StreamAsync(HttpContext context)
    {
        if (faults.Take("no-sse"))
        {
            await Replies.NotFound(context);
            return;
        }
        // Unbounded: a test's few frames.
        var frames = Channel.CreateUnbounded<Frame>();
        lock (gate)
            subscribers.Add(frames);
        context.Response.ContentType = "text/event-stream";
        await context.Response.StartAsync();
        await context.Response.Body.FlushAsync();
        try
        {
            await foreach (var frame in frames.Reader.ReadAllAsync(context.RequestAborted))
            {
                await context.Response.WriteAsync(frame.Text, context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                if (frame.Breaks)
                    context.Abort();
            }
        }
        catch (OperationCanceledException)
        {
            // The reader left.
        }
        finally
        {
            lock (gate)
                subscribers.Remove(frames);
        }
    }

    private static void Merge(JsonObject content, JsonObject data)
    {
        foreach (var (name, value) in data)
            content[name] = value?.DeepClone();
    }

    private string Around(string frame, string model)
    {
        if (faults.Take("sse-repeats", model))
            return string.Concat(Enumerable.Repeat(frame, Repeats));
        if (faults.Take("sse-garbage", model))
        {
            return "data\n\ndata: {\"model\":7,\"event\":[]}\n\n<html>\0\u00ff\r\n\r\ndata: {\"data\":{\"status\":\n\ndata: []\n\n"
                + "data: {\"model\":\"x\",\"data\":{\"status\":\"loaded\",\"progress\":{\"value\":1e999}}}\n\n" + frame + ": \u00fe\n\n";
        }
        return faults.Take("sse-long", model) ? $"data: \"{new string('x', LongEventBytes)}\"\n\n{frame}" : frame;
    }

    private void HoldBack(string frame, bool isLast)
    {
        string text;
        lock (gate)
        {
            heldBack.Insert(0, frame);
            if (!isLast)
                return;
            text = string.Concat(heldBack);
            heldBack.Clear();
        }
        Send(new Frame(text));
    }

    private async Task SendLaterAsync(string frame, int milliseconds)
    {
        await Task.Delay(milliseconds);
        Send(new Frame(frame));
    }

    private void Send(Frame frame)
    {
        lock (gate)
        {
            foreach (var subscriber in subscribers)
                subscriber.Writer.TryWrite(frame);
        }
    }
}
