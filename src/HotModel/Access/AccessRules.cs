using System.Net;
using HotModel.Api;
using HotModel.Configuration;

namespace HotModel.Access;

/// <summary>Why a request is not let in.</summary>
internal readonly record struct AccessRefusal(int Status, string Type, string Code, string Message);

/// <summary>Who may do what: by the names and pages that a request comes from, and by its key.</summary>
/// <remarks>docs/security.md says against whom.</remarks>
internal sealed class AccessRules(ServerConfig server, ApiKeys keys)
{
    public const string InvalidKeyCode = "invalid_api_key";
    private const string BearerScheme = "Bearer ";
    /// <summary>Anthropic's clients send the key so.</summary>
    private const string KeyHeader = "X-Api-Key";

    /// <summary>Null: it may pass, and its key is among the context's features.</summary>
    public AccessRefusal? Refuse(HttpContext context)
    {
        var request = context.Request;
        if (IsOnOtherPort(context))
        {
            return new(StatusCodes.Status404NotFound, ApiError.NotFound, "other_port",
                $"{request.Path} is not served on this port: /admin has one of its own (admin_port of [server]).");
        }
        if (TellsOfUs(context) && MayBeRebound(request))
        {
            return new(StatusCodes.Status403Forbidden, ApiError.Permission, "foreign_host",
                $"{request.Path} is reached by an IP address or as localhost, not by another name, unless allowed_hosts has it.");
        }
        if ((IsStateChanging(request.Method) || TellsOfUs(context)) && IsForeign(request))
        {
            return new(StatusCodes.Status403Forbidden, ApiError.Permission, "foreign_origin",
                "Requests from web pages of another origin are refused: any page could otherwise use this server. cors_origins "
                + "lets pages in.");
        }
        return keys.AreOff ? null : RefuseByKey(context);
    }

    /// <summary>A page of that origin may use the server.</summary>
    public bool IsWelcome(string origin) => server.CorsOrigins.Contains(origin, StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether /health may say more to it than that it is there.</summary>
    public bool MayReadState(HttpContext context) =>
        (keys.AreOff || context.Features.Get<ApiKey>()?.May(KeyScope.Read) == true)
        && !MayBeRebound(context.Request) && !IsForeign(context.Request);

    private bool IsOnOtherPort(HttpContext context) => server.AdminPort is { } adminPort
        && (context.Connection.LocalPort == adminPort) != IsAdmin(context.Request.Path)
        && !IsHealth(context.Request);

    private static bool IsAdmin(PathString path) => path.StartsWithSegments("/admin");

    private static bool IsHealth(HttpRequest request) =>
        IsRead(request.Method) && (request.Path == "/health" || request.Path == "/v1/health");

    private static bool IsRead(string method) => HttpMethods.IsGet(method) || HttpMethods.IsHead(method);

    private AccessRefusal? RefuseByKey(HttpContext context)
    {
        var sent = KeyOf(context.Request);
        var key = sent is null ? null : keys.Find(sent);
        if (key is not null)
            context.Features.Set(key);
        if (NeededScope(context) is not { } scope)
            return null;
        if (key is null)
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            return new(StatusCodes.Status401Unauthorized, ApiError.Authentication, InvalidKeyCode, sent is null
                ? "An API key is needed: \"Authorization: Bearer KEY\" or \"X-Api-Key: KEY\"."
                : "There is no such API key.");
        }
        return key.May(scope) ? null : new(StatusCodes.Status403Forbidden, ApiError.Permission, "missing_scope",
            $"The API key \"{key.Name}\" lacks the scope \"{scope.ToString().ToLowerInvariant()}\" for "
            + $"{context.Request.Method} {context.Request.Path}.");
    }

    /// <summary>Null: nobody needs a key for it. What no route answers needs one, so that strangers learn no names.</summary>
    private static KeyScope? NeededScope(HttpContext context)
    {
        var path = context.Request.Path;
        if (IsHealth(context.Request))
            return null;
        // Conversations are their owner's.
        if (IsAdmin(path))
            return IsRead(context.Request.Method) && !path.StartsWithSegments("/admin/sessions") ? KeyScope.Read : KeyScope.Admin;
        return context.GetEndpoint()?.Metadata.GetMetadata<RelayedRoute>() switch
        {
            // The texts that are being answered.
            { HasBody: false } => KeyScope.Read,
            // For everybody who uses the model.
            { ChangesModel: true } => KeyScope.Admin,
            _ => KeyScope.Inference,
        };
    }

    private static string? KeyOf(HttpRequest request)
    {
        string? bearer = request.Headers.Authorization;
        if (bearer is not null && bearer.StartsWith(BearerScheme, StringComparison.OrdinalIgnoreCase))
            return bearer[BearerScheme.Length..].Trim();
        string? key = request.Headers[KeyHeader];
        return string.IsNullOrEmpty(key) ? null : key;
    }

    /// <summary>Whether a browser sends this for a page that is not ours. Programs send neither header.</summary>
    private bool IsForeign(HttpRequest request)
    {
        string? origin = request.Headers.Origin;
        if (!string.IsNullOrEmpty(origin) && IsWelcome(origin))
            return false;
        // "same-site" is another port or a neighbour's name: not the same origin either.
        if (request.Headers["Sec-Fetch-Site"].ToString() is not ("" or "same-origin" or "none"))
            return true;
        return !string.IsNullOrEmpty(origin) && (MayBeRebound(request)
            || !string.Equals(origin, $"{request.Scheme}://{request.Host}", StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>A page of evil.example, whose name was made to point to this machine, is of our own origin.</summary>
    /// <remarks>Other machines are reached so, too, where no key is needed.</remarks>
    private bool MayBeRebound(HttpRequest request) =>
        (keys.AreOff || request.HttpContext.Connection.LocalIpAddress is { } local && IPAddress.IsLoopback(local))
        && !string.Equals(request.Host.Host, "localhost", StringComparison.OrdinalIgnoreCase)
        && !server.AllowedHosts.Contains(request.Host.Host, StringComparer.OrdinalIgnoreCase)
        && !IPAddress.TryParse(request.Host.Host, out _);

    private static bool IsStateChanging(string method) => !IsRead(method) && !HttpMethods.IsOptions(method);

    /// <summary>Conversations, the models' paths, what is being answered.</summary>
    private static bool TellsOfUs(HttpContext context) =>
        IsAdmin(context.Request.Path)
        || context.GetEndpoint()?.Metadata.GetMetadata<RelayedRoute>() is { HasBody: false };
}
