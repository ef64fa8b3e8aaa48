using System.Text.Json.Nodes;

namespace FakeLlamaServer;

/// <summary>The routes of a llama-server that was started without a model.</summary>
internal static class RouterMode
{
    public static void Map(WebApplication app, FakeOptions options, ControlLog log, FakeRouter router)
    {
        app.MapGet("/health", context => Replies.Json(context, new JsonObject { ["status"] = "ok" }));
        app.MapGet("/props", context => Replies.Json(context, new JsonObject
        {
            ["role"] = "router",
            ["max_instances"] = 1,
            ["models_autoload"] = false,
            ["build_info"] = "b11669-fake",
        }));
        app.MapGet("/models", router.ListAsync);
        app.MapGet("/v1/models", router.ListAsync);
        app.MapGet("/models/sse", router.Events.StreamAsync);
        app.MapPost("/models/load", router.LoadAsync);
        app.MapPost("/models/unload", router.UnloadAsync);
        app.MapPost("/v1/chat/completions", context => ChatAsync(context, options, log, router));
        app.MapPost("/apply-template", context => ForModel(context, router, PromptEndpoints.ApplyTemplate));
        app.MapPost("/tokenize", context => ForModel(context, router, PromptEndpoints.Tokenize));
        app.MapGet("/slots", context => SlotsAsync(context, router));
    }

    private static async Task ChatAsync(HttpContext context, FakeOptions options, ControlLog log, FakeRouter router)
    {
        if (await JsonBody.ReadAsync(context) is not { } request)
        {
            await Replies.Invalid(context, "invalid JSON");
            return;
        }
        if (await router.EnterAsync(context, (string?)request["model"]) is not { } model)
            return;
        log.Write("chat", model.Id);
        try
        {
            await ChatEndpoint.AnswerAsync(
                context, request, model.Id, options.Faults, () => router.KillChild(model), model.Ended.Token);
        }
        finally
        {
            router.Leave(model);
            log.Write("chat-end", model.Id);
        }
    }

    private static async Task ForModel(HttpContext context, FakeRouter router, Func<HttpContext, JsonObject, Task> answer)
    {
        var request = await JsonBody.ReadAsync(context) ?? [];
        if (await router.EnterAsync(context, (string?)request["model"]) is not { } model)
            return;
        router.Leave(model);
        await answer(context, request);
    }

    private static async Task SlotsAsync(HttpContext context, FakeRouter router)
    {
        if (await router.EnterAsync(context, context.Request.Query["model"]) is not { } model)
            return;
        router.Leave(model);
        await PromptEndpoints.Slots(context, model.InFlight);
    }
}
