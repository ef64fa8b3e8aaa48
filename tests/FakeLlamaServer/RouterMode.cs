using System.Text.Json.Nodes;

namespace FakeLlamaServer;

/// <summary>The routes of a llama-server that was started without a model.</summary>
internal static class RouterMode
{
    public static void Map(WebApplication app, FakeOptions options, ControlLog log, FakeRouter router)
    {
        app.MapGet("/health", context => Replies.Json(context, new JsonObject { ["status"] = "ok" }));
        app.MapGet("/props", context => context.Request.Query.ContainsKey("model")
            ? ModelPropsAsync(context, options, router)
            : Replies.Json(context, new JsonObject
            {
                ["role"] = "router",
                ["max_instances"] = 1,
                ["models_autoload"] = false,
                ["build_info"] = Build(options),
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
        app.MapPost("/slots/0", new SlotFiles(options, log, router).ActAsync);
    }

    private static string Build(FakeOptions options) => options.Faults.TakeValue("build") ?? "b11669-fake";

    private static async Task ModelPropsAsync(HttpContext context, FakeOptions options, FakeRouter router)
    {
        if (await router.EnterAsync(context, context.Request.Query["model"]) is not { } model)
            return;
        router.Leave(model);
        await Replies.Json(context, new JsonObject
        {
            ["default_generation_settings"] = new JsonObject { ["n_ctx"] = 4096 },
            ["total_slots"] = 1,
            ["model_path"] = model.Path,
            ["chat_template"] = "fake",
            ["build_info"] = Build(options),
        });
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
            var answer = new ChatAnswer(request, model.Id, model.HeldTokens);
            router.Hold(model, answer.HeldTokens);
            await ChatEndpoint.AnswerAsync(
                context, answer, model.Id, options.Faults, () => router.KillChild(model), model.Ended.Token);
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
        await PromptEndpoints.Slots(context, model.InFlight, model.HeldTokens);
    }
}
