using HotModel.Proxy;
using Microsoft.AspNetCore.Http.Features;

namespace HotModel.Api;

/// <summary>What holds for the requests of every relayed route before anything of them is passed on.</summary>
internal static class ClientRequest
{
    /// <summary>Null where the request was refused and the client has been told.</summary>
    /// <remarks>
    /// The content type is also what keeps web forms out: a page cannot send JSON without asking us first. It can send
    /// forms with files, and bodies without a type; there the origin is all that tells (AccessRules).
    /// </remarks>
    public static async Task<ReadOnlyMemory<byte>?> ReadBodyAsync(HttpContext context, ModelPlace place, long limitBytes)
    {
        HttpResponse response = context.Response;
        bool isForm = place == ModelPlace.FormField;
        if (!(isForm ? IsFormWithFiles(context.Request) : HasJsonOrNothing(context)))
        {
            await RefuseTypeAsync(response, isForm ? "multipart/form-data" : "application/json");
            return null;
        }
        return await ReadAsync(context, limitBytes);
    }

    /// <param name="response">To the client.</param>
    /// <param name="type">What the content type has to be.</param>
    /// <param name="more">Said after it.</param>
    public static Task RefuseTypeAsync(HttpResponse response, string type, string more = "") => ApiError.WriteAsync(
        response, StatusCodes.Status415UnsupportedMediaType, ApiError.InvalidRequest, "unsupported_media_type",
        $"The request needs \"Content-Type: {type}\".{more}");

    private static bool IsFormWithFiles(HttpRequest request) =>
        request.ContentType is { } type
        && type.AsSpan().TrimStart().StartsWith("multipart/form-data", StringComparison.OrdinalIgnoreCase);

    private static bool HasJsonOrNothing(HttpContext context) =>
        context.Request.HasJsonContentType()
        || (string.IsNullOrEmpty(context.Request.ContentType)
            && context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: false });

    private static async Task<ReadOnlyMemory<byte>?> ReadAsync(HttpContext context, long limitBytes)
    {
        HttpRequest request = context.Request;
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } maximum)
            maximum.MaxRequestBodySize = limitBytes;
        try
        {
            ReadOnlyMemory<byte>? body = await BoundedBody.ReadAsync(
                request.Body, request.ContentLength, limitBytes, context.RequestAborted);
            if (body is null)
                await TooLargeAsync(context.Response, limitBytes);
            return body;
        }
        catch (BadHttpRequestException e) when (e.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            await TooLargeAsync(context.Response, limitBytes);
            return null;
        }
        catch (BadHttpRequestException e)
        {
            await ApiError.WriteAsync(
                context.Response, e.StatusCode, ApiError.InvalidRequest, "bad_request", e.Message);
            return null;
        }
    }

    private static Task TooLargeAsync(HttpResponse response, long limitBytes)
    {
        // What is left of the body is not worth reading.
        response.Headers.Connection = "close";
        return ApiError.WriteAsync(
            response, StatusCodes.Status413PayloadTooLarge, ApiError.InvalidRequest, "body_too_large",
            $"The body is longer than {limitBytes >> 20} MiB (server.max_body_mb).");
    }
}
