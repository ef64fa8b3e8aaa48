using System.Text.Json.Nodes;

namespace FakeLlamaServer;

/// <summary>A llama-server that was started with -m: one model, loaded at the start.</summary>
internal static class ProcessMode
{
    private static readonly TimeSpan LoadTime = TimeSpan.FromMilliseconds(30);

    public static void Map(WebApplication app, FakeOptions options, ControlLog log, string path)
    {
        var model = options.Alias ?? Path.GetFileNameWithoutExtension(path);
        var loaded = false;
        var inFlight = 0;
        app.Lifetime.ApplicationStarted.Register(() => _ = LoadAsync());

        async Task LoadAsync()
        {
            log.Write("load", model);
            if (options.Faults.TakeValue("load-fails", model) is { } reason)
                Exit(reason);
            if (options.Faults.Take("dies-while-loading", model))
                Exit(null);
            if (options.Faults.Take("load-hangs", model))
                return;
            await Task.Delay(TimeSpan.FromMilliseconds(
                options.Faults.TakeNumber("load-slow", model) ?? LoadTime.TotalMilliseconds));
            loaded = true;
            log.Write("loaded", model);
        }

        RequestDelegate WhenLoaded(RequestDelegate answer) =>
            context => loaded ? answer(context) : Replies.Loading(context);

        app.MapGet("/health", WhenLoaded(context => Replies.Json(context, new JsonObject { ["status"] = "ok" })));
        app.MapGet("/props", WhenLoaded(context => Replies.Json(context, new JsonObject { ["model_path"] = path })));
        app.MapGet("/slots", WhenLoaded(context => PromptEndpoints.Slots(context, inFlight, heldTokens: 0)));
        app.MapGet("/v1/models", WhenLoaded(context => Replies.Json(context, new JsonObject
        {
            ["object"] = "list",
            ["data"] = new JsonArray(new JsonObject { ["id"] = model, ["object"] = "model" }),
        })));
        app.MapPost("/tokenize", WhenLoaded(async context =>
            await PromptEndpoints.Tokenize(context, await JsonBody.ReadAsync(context) ?? [])));
        app.MapPost("/apply-template", WhenLoaded(async context =>
            await PromptEndpoints.ApplyTemplate(context, await JsonBody.ReadAsync(context) ?? [])));
        app.MapPost("/v1/chat/completions", WhenLoaded(async context =>
        {
            Interlocked.Increment(ref inFlight);
            log.Write("chat", model);
            try
            {
                var request = await JsonBody.ReadAsync(context) ?? [];
                await ChatEndpoint.AnswerAsync(
                    context, new ChatAnswer(request, model, cachedTokens: 0), model, options.Faults, () => Exit(null), CancellationToken.None);
            }
            finally
            {
                Interlocked.Decrement(ref inFlight);
                log.Write("chat-end", model);
            }
        }));
    }

    private static void Exit(string? reason)
    {
        if (reason is not null)
            Console.Error.WriteLine(reason);
        Environment.Exit(1);
    }
}
