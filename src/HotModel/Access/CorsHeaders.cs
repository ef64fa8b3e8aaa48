using HotModel.Proxy;
using Microsoft.Net.Http.Headers;

namespace HotModel.Access;

/// <summary>What a browser has to be told before it lets a page of another origin use the server.</summary>
internal static class CorsHeaders
{
    private const string PreflightSeconds = "600";

    /// <summary>Adds them where the page's origin is configured. True: the request was only the question and is answered.
    /// </summary>
    public static bool Answer(HttpContext context, AccessRules rules)
    {
        var (request, response) = (context.Request, context.Response);
        string? origin = request.Headers.Origin;
        if (string.IsNullOrEmpty(origin) || !rules.IsWelcome(origin))
            return false;
        response.Headers.AccessControlAllowOrigin = origin;
        response.Headers.Append(HeaderNames.Vary, HeaderNames.Origin);
        response.Headers.AccessControlExposeHeaders = $"{AnswerHeaders.Session}, {AnswerHeaders.Model}, {HeaderNames.RetryAfter}";
        if (!HttpMethods.IsOptions(request.Method) || request.Headers.AccessControlRequestMethod.Count == 0)
            return false;
        response.StatusCode = StatusCodes.Status204NoContent;
        response.Headers.AccessControlAllowMethods = "GET, HEAD, POST, DELETE";
        response.Headers.AccessControlAllowHeaders = request.Headers.AccessControlRequestHeaders;
        response.Headers.AccessControlMaxAge = PreflightSeconds;
        return true;
    }
}
