using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace FakeLlamaServer;

/// <summary>GET /models/sse: frames without event or id lines, no snapshot, no replay, no heartbeat.</summary>
internal sealed class EventHub(Faults faults)
{
    private readonly Lock gate = new();
    private readonly List<Channel<string>> subscribers = [];

    public void Publish(string model, string name, JsonObject data)
    {
        var frame = new JsonObject { ["model"] = model, ["event"] = name, ["data"] = data }.ToJsonString();
        lock (gate)
        {
            foreach (var subscriber in subscribers)
                subscriber.Writer.TryWrite($"data: {frame}\n\n");
        }
    }

    public void PublishProgress(string model, double value)
    {
        var progress = faults.Take("sse-old-shape")
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
        var frames = Channel.CreateUnbounded<string>();
        var stalls = faults.Take("sse-stalls");
        if (!stalls)
        {
            lock (gate)
                subscribers.Add(frames);
        }
        context.Response.ContentType = "text/event-stream";
        await context.Response.StartAsync();
        await context.Response.Body.FlushAsync();
        try
        {
            await foreach (var frame in frames.Reader.ReadAllAsync(context.RequestAborted))
            {
                await context.Response.WriteAsync(frame, context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
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
}
