using System.Net;

namespace HotModel.Api;

/// <summary>Requests that change something must not come from a web page of somebody else's.</summary>
internal static class StateChangingRequest
{
    public const string RefusalMessage =
        "Requests from web pages of another origin are refused: any page could otherwise use this server.";

    /// <summary>Whether a browser sends this for a page that is not ours. Programs send neither header.</summary>
    public static bool IsForeign(HttpRequest request)
    {
        if (request.Headers["Sec-Fetch-Site"] == "cross-site")
            return true;
        string? origin = request.Headers.Origin;
        if (string.IsNullOrEmpty(origin))
            return false;
        return !string.Equals(origin, $"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase)
            || MayBeRebound(request);
    }

    /// <summary>A page of evil.example, whose name was made to point to 127.0.0.1, is of our own origin.</summary>
    public static bool MayBeRebound(HttpRequest request) =>
        request.HttpContext.Connection.LocalIpAddress is { } local && IPAddress.IsLoopback(local)
        && !string.Equals(request.Host.Host, "localhost", StringComparison.OrdinalIgnoreCase)
        && !IPAddress.TryParse(request.Host.Host, out _);
}
