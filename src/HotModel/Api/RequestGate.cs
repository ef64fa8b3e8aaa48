namespace HotModel.Api;

/// <summary>What holds for every route: who may look, and that nobody gets an error without a word.</summary>
internal static class RequestGate
{
    public static async Task PassAsync(HttpContext context, RequestDelegate next)
    {
        // Conversations are read by GET, and to a browser a rebound name is the page's own origin.
        if (context.Request.Path.StartsWithSegments("/admin") && StateChangingRequest.MayBeRebound(context.Request))
        {
            await ApiError.WriteAsync(context.Response, 403, ApiError.Permission, "foreign_host",
                "Admin routes are reached by an IP address or as localhost, not by another name.");
            return;
        }
        await next(context);
        if (context.Response.HasStarted || context.Response.ContentLength is not null)
            return;
        var (method, path) = (context.Request.Method, context.Request.Path);
        if (context.Response.StatusCode == StatusCodes.Status404NotFound)
            await ApiError.WriteAsync(context.Response, 404, ApiError.NotFound, "unknown_route", $"There is no {method} {path}.");
        else if (context.Response.StatusCode == StatusCodes.Status405MethodNotAllowed)
            await ApiError.WriteAsync(context.Response, 405, ApiError.InvalidRequest, "wrong_method",
                $"{path} does not answer {method}; it answers {context.Response.Headers.Allow}.");
    }
}
