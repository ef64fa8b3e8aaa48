using HotModel.Access;
using HotModel.Proxy;

namespace HotModel.Api;

/// <summary>What holds for every route: who may look, and that nobody gets an error without a word.</summary>
internal sealed class RequestGate(Func<AccessRules> rules, ILogger<RequestGate> logger)
{
    public async Task PassAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Request.Headers.TransferEncoding is { Count: > 0 } encoding
            && !string.Equals(encoding, "chunked", StringComparison.OrdinalIgnoreCase))
        {
            // Kestrel looks at the last one alone, and would take a compressed body for the text (RFC 9112, 6.1).
            context.Response.Headers.Connection = "close";
            await ApiError.WriteAsync(context.Response, StatusCodes.Status501NotImplemented, ApiError.InvalidRequest,
                "unknown_transfer_encoding", $"Of transfer encodings \"chunked\" alone is known here, not \"{encoding}\".");
            return;
        }
        var access = rules();
        if (CorsHeaders.Answer(context, access))
            return;
        if (access.Refuse(context) is { } refusal)
        {
            await ApiError.WriteAsync(context.Response, refusal.Status, refusal.Type, refusal.Code, refusal.Message);
            return;
        }
        try
        {
            await next(context);
        }
        catch (Exception e) when (e is not BadHttpRequestException
            && !context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            ProxyLog.RequestBroke(logger, context.Request.Method, context.Request.Path, e);
            context.Response.Clear();
            await ApiError.WriteAsync(context.Response, 500, ApiError.Internal, "internal_error",
                "hotmodel has made a mistake; its log says more.");
            return;
        }
        if (context.Response.HasStarted || context.Response.ContentLength is not null)
            return;
        var (method, path) = (context.Request.Method, context.Request.Path);
        if (context.Response.StatusCode == StatusCodes.Status404NotFound)
            await ApiError.WriteAsync(
                context.Response, 404, ApiError.NotFound, "unknown_route", $"There is no {method} {path}. {NextStep(path)}");
        else if (context.Response.StatusCode == StatusCodes.Status405MethodNotAllowed)
            await ApiError.WriteAsync(context.Response, 405, ApiError.InvalidRequest, "wrong_method",
                $"{path} does not answer {method}; it answers {context.Response.Headers.Allow}.");
    }

    /// <summary>Who asks for what is not there has most often set a client up with another base URL than it needs.</summary>
    private static string NextStep(PathString path) => path.StartsWithSegments("/admin")
        ? "Of /admin there are state, switch, reload, events and sessions."
        : "The base URL of OpenAI's clients ends with /v1, that of Anthropic's does not; Ollama's /api is not served, so "
            + "let an Ollama client use the OpenAI API.";
}
