using HotModel.Proxy;
using Microsoft.AspNetCore.Http.Features;

namespace HotModel.Api;

/// <summary>Why a body is not taken.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Code">Of the error.</param>
/// <param name="Message">What is allowed.</param>
internal sealed record BodyRefusal(int Status, string Code, string Message);

/// <summary>Bodies of clients' requests: of the right type, and no more than there is memory for.</summary>
/// <param name="limitBytes">The longest that a relayed route takes.</param>
/// <param name="budget">For all of them together; null: the usual.</param>
/// <param name="time">Null: the system's.</param>
internal sealed class ClientBodies(long limitBytes, BodyBudget? budget = null, TimeProvider? time = null)
{
    private const string Json = "application/json";
    private const string Form = "multipart/form-data";

    // Memory is free again as soon as one of the others is answered.
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private readonly BodyBudget budget = budget ?? BodyBudget.For(limitBytes);

    /// <summary>For a relayed route. Null where the request was refused and the client has been told.</summary>
    /// <remarks>
    /// The content type is also what keeps web forms out: a page cannot send JSON without asking us first. It can send
    /// forms with files, and bodies without a type; there the origin is all that tells (AccessRules).
    /// </remarks>
    public async Task<ReadOnlyMemory<byte>?> ReadAsync(HttpContext context, ModelPlace place)
    {
        HttpResponse response = context.Response;
        bool isForm = place == ModelPlace.FormField;
        if (!(isForm ? IsFormWithFiles(context.Request) : HasJsonOrNothing(context)))
        {
            await RefuseTypeAsync(response, isForm ? Form : Json);
            return null;
        }
        BodyBudget.BodyShare share = budget.Open();
        bool isTaken = false;
        try
        {
            var (body, refusal) = await ReadAsync(context, limitBytes, share, time);
            isTaken = refusal is null;
            if (refusal is null)
                return body;
            await RefuseAsync(response, refusal);
            return null;
        }
        finally
        {
            // A body is held until its request is answered.
            if (isTaken && share.Bytes > 0)
                response.RegisterForDispose(share);
            else
                share.Dispose();
        }
    }

    private static Task RefuseAsync(HttpResponse response, BodyRefusal refusal)
    {
        bool isForNow = refusal.Status == StatusCodes.Status503ServiceUnavailable;
        return ApiError.WriteAsync(
            response, refusal.Status, isForNow ? ApiError.Unavailable : ApiError.InvalidRequest, refusal.Code, refusal.Message,
            isForNow ? RetryAfter : null);
    }

    /// <summary>Exactly one of the two is there.</summary>
    public static async Task<(ReadOnlyMemory<byte> Body, BodyRefusal? Refusal)> ReadAsync(
        HttpContext context, long limitBytes, BodyBudget.BodyShare? share = null, TimeProvider? time = null)
    {
        HttpRequest request = context.Request;
        // The bound is kept here. Kestrel's own would close the connection over a client that still sends, which then
        // sees a reset and no answer; so it reads on for 5 s and throws away.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } maximum)
            maximum.MaxRequestBodySize = null;
        using var pace = BodyPace.For(request.ContentLength, time ?? TimeProvider.System, context.RequestAborted);
        try
        {
            ReadOnlyMemory<byte>? body = await BoundedBody.ReadAsync(
                request.Body, request.ContentLength, limitBytes, pace?.Token ?? context.RequestAborted,
                pace is null ? null : pace.Look, share);
            return body is { } whole ? (whole, null)
                : (default, share is { IsRefused: true } ? NoRoom(share) : TooLong(limitBytes));
        }
        catch (BadHttpRequestException e)
        {
            return (default, e.StatusCode switch
            {
                StatusCodes.Status408RequestTimeout => TooSlow(),
                _ => new(e.StatusCode, "bad_request", e.Message),
            });
        }
        catch (OperationCanceledException) when (pace is { IsTooSlow: true })
        {
            return (default, TooSlow());
        }
        catch (IOException e) when (e.InnerException is OverflowException)
        {
            // Kestrel's word for a chunk whose length no number holds.
            return (default, new(StatusCodes.Status400BadRequest, "bad_request", "A chunk of the body has no sensible length."));
        }
    }

    /// <param name="response">To the client.</param>
    /// <param name="type">What the content type has to be.</param>
    /// <param name="more">Said after it.</param>
    public static Task RefuseTypeAsync(HttpResponse response, string type = Json, string more = "") => ApiError.WriteAsync(
        response, StatusCodes.Status415UnsupportedMediaType, ApiError.InvalidRequest, "unsupported_media_type",
        $"The request needs \"Content-Type: {type}\".{more}");

    public static bool HasJsonOrNothing(HttpContext context) =>
        context.Request.HasJsonContentType()
        || (string.IsNullOrEmpty(context.Request.ContentType)
            && context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: false });

    private static bool IsFormWithFiles(HttpRequest request) =>
        request.ContentType is { } type
        && type.AsSpan().TrimStart().StartsWith(Form, StringComparison.OrdinalIgnoreCase);

    private static BodyRefusal TooLong(long limitBytes) => new(StatusCodes.Status413PayloadTooLarge, "body_too_large",
        limitBytes >> 20 is > 0 and var mebibytes ? $"The body is longer than {mebibytes} MiB (server.max_body_mb)."
            : $"The body is longer than {limitBytes >> 10} KiB.");

    private static BodyRefusal TooSlow() => new(StatusCodes.Status408RequestTimeout, "body_too_slow",
        $"The body came slower than {WebServer.SlowestBytesPerSecond} bytes a second.");

    private static BodyRefusal NoRoom(BodyBudget.BodyShare share) => new(
        StatusCodes.Status503ServiceUnavailable, "too_many_large_bodies",
        $"Requests that are being answered hold the {share.MostBytes >> 20} MiB that there are for bodies; send it again later.");
}
