using HotModel.Access;
using HotModel.Configuration;
using HotModel.Scheduling;
using HotModel.Switching;

namespace HotModel.Api;

/// <summary>What a request wants of the gate: by the model that it names and by its headers.</summary>
/// <param name="live">The models.</param>
/// <param name="whyNot">Given the name of a model that would have to be loaded, why it does not fit; null: it may.</param>
internal sealed class RequestAsks(LiveConfig live, Func<string, CancellationToken, ValueTask<string?>> whyNot)
{
    private const string IntentHeader = "X-HotModel-Intent";

    /// <summary>Null where the request was refused and the client has been told.</summary>
    /// <param name="context">The client's request.</param>
    /// <param name="model">The name in it; null: none.</param>
    /// <param name="maySwitch">False: a look, which has no side effect.</param>
    public async ValueTask<RequestAsk?> ReadAsync(HttpContext context, string? model, bool maySwitch)
    {
        if (IntentOf(context) is not { } intent)
        {
            await ApiError.WriteAsync(context.Response, StatusCodes.Status400BadRequest, ApiError.InvalidRequest,
                "invalid_intent", $"{IntentHeader} must be \"background\" or \"interactive\".");
            return null;
        }
        var (server, names) = (live.Current.Server, live.Names);
        string? named = null;
        if (server.SwitchOnRequest != SwitchOnRequest.Active && !names.TryResolve(model, out named))
        {
            await ApiError.WriteAsync(context.Response, StatusCodes.Status404NotFound, ApiError.NotFound,
                "model_not_found", names.Unknown(model!));
            return null;
        }
        if (named is not null && maySwitch && server.SwitchOnRequest == SwitchOnRequest.Switch
            && await whyNot(named, context.RequestAborted) is { } reason)
        {
            await ApiError.WriteAsync(context.Response, StatusCodes.Status409Conflict, ApiError.InvalidRequest,
                "does_not_fit", reason);
            return null;
        }
        TimeSpan? wait = PreferHeader.Wait(context.Request.Headers["Prefer"]);
        return new RequestAsk
        {
            Model = named,
            Intent = maySwitch ? intent : RequestIntent.Look,
            Patience = wait < server.QueueTimeout ? wait : null,
        };
    }

    /// <summary>A key can only be more modest than its request.</summary>
    private static RequestIntent? IntentOf(HttpContext context) => context.Request.Headers[IntentHeader].ToString() switch
    {
        "" or "interactive" => context.Features.Get<ApiKey>()?.Class == KeyClass.Background
            ? RequestIntent.Background : RequestIntent.Normal,
        "background" => RequestIntent.Background,
        _ => null,
    };
}
