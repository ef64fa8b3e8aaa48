using System.Globalization;
using System.Text.Json.Nodes;

namespace FakeLlamaServer;

/// <summary>POST /slots/0 of the router: what the model's only slot holds, to a file and back.</summary>
internal sealed class SlotFiles(FakeOptions options, ControlLog log, FakeRouter router)
{
    private const int BytesPerToken = 100;

    public async Task ActAsync(HttpContext context)
    {
        var body = await JsonBody.ReadAsync(context) ?? [];
        if (options.SlotFolder is not { } folder || (string?)body["filename"] is not { } name)
        {
            await Replies.Invalid(context, "no file to save to");
            return;
        }
        if (await router.EnterAsync(context, (string?)body["model"]) is not { } model)
            return;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, model.Ended.Token);
        try
        {
            var path = Path.Combine(folder, name);
            await (context.Request.Query["action"] == "save"
                ? SaveAsync(context, model, path, either.Token)
                : RestoreAsync(context, model, path, either.Token));
        }
        catch (OperationCanceledException)
        {
            // The client left, or the model's process ended.
        }
        finally
        {
            router.Leave(model);
        }
    }

    private async Task SaveAsync(HttpContext context, FakeModel model, string path, CancellationToken ended)
    {
        log.Write("save", model.Id);
        var tokens = model.HeldTokens;
        var bytes = tokens.ToString(CultureInfo.InvariantCulture).PadRight(tokens * BytesPerToken);
        // What fails, fails in the middle.
        await File.WriteAllTextAsync(path, bytes[..(bytes.Length / 2)], ended);
        if (options.Faults.Take("save-hangs", model.Id))
            await Task.Delay(Timeout.InfiniteTimeSpan, ended);
        if (options.Faults.Take("save-fails", model.Id))
        {
            await Replies.ServerError(context, "Unable to save slot");
            return;
        }
        await Task.Delay(options.Faults.TakeNumber("save-slow", model.Id) ?? 0, ended);
        await File.WriteAllTextAsync(path, bytes, ended);
        await Replies.Json(context, new JsonObject { ["id_slot"] = 0, ["n_saved"] = tokens, ["n_written"] = bytes.Length });
    }

    private async Task RestoreAsync(HttpContext context, FakeModel model, string path, CancellationToken ended)
    {
        log.Write("restore", model.Id);
        if (options.Faults.Take("restore-hangs", model.Id))
            await Task.Delay(Timeout.InfiniteTimeSpan, ended);
        if (options.Faults.Take("restore-fails", model.Id) || !File.Exists(path))
        {
            await Replies.Invalid(context, "Unable to restore slot, no available space in KV cache or invalid slot save file");
            return;
        }
        var text = await File.ReadAllTextAsync(path, ended);
        var tokens = int.Parse(text, CultureInfo.InvariantCulture);
        router.Hold(model, tokens);
        await Replies.Json(context, new JsonObject { ["id_slot"] = 0, ["n_restored"] = tokens, ["n_read"] = text.Length });
    }
}
