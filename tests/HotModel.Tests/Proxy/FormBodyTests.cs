using System.Text;
using HotModel.Proxy;

namespace HotModel.Tests.Proxy;

public class FormBodyTests
{
    private const string Type = "multipart/form-data; boundary=B";
    private const string File =
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\nContent-Type: audio/wav\r\n\r\n\u0001\u00ff\r\n-B\n\r\n";
    private const string End = "--B--\r\n";

    private static string Field(string value, string disposition = "form-data; name=\"model\"") =>
        $"--B\r\nContent-Disposition: {disposition}\r\n\r\n{value}\r\n";

    private static string? WithModel(string body, string type = Type) =>
        FormBody.Read(Encoding.Latin1.GetBytes(body), type) is { } form
            ? string.Concat(form.WithModel("new").Pieces.Select(piece => Encoding.Latin1.GetString(piece.Span)))
            : null;

    [Theory]
    [InlineData("form-data; name=\"model\"")]
    [InlineData("form-data; name=model")]
    [InlineData("form-data;  Name = \"model\" ; x=y")]
    public void WithModel_replaces_the_value_alone(string disposition) => Assert.Equal(
        File + Field("new", disposition) + File + End, WithModel(File + Field("old\r\nvalue", disposition) + File + End));

    [Fact]
    public void WithModel_empty_and_repeated_values_are_all_replaced() =>
        Assert.Equal(Field("new") + Field("new") + End, WithModel(Field("") + Field("x") + End));

    [Theory]
    [InlineData("")]
    [InlineData("preamble\r\n")]
    [InlineData("preamble\n")]
    [InlineData("preamble --B\t")]
    public void WithModel_without_the_field_a_part_is_added_in_front(string preamble) =>
        Assert.Equal(preamble + Field("new") + File + End, WithModel(preamble + File + End));

    [Fact]
    public void WithModel_name_beyond_ascii_is_utf8()
    {
        FormBody form = FormBody.Read(Encoding.Latin1.GetBytes(Field("x") + End), Type)!;
        Assert.Contains("ü\r\n", string.Concat(form.WithModel("ü").Pieces.Select(piece => Encoding.UTF8.GetString(piece.Span))));
    }

    /// <summary>As llama-server 0.7.0 takes it.</summary>
    [Theory]
    [InlineData(true, "true")]
    [InlineData(true, " true\n")]
    [InlineData(false, "false")]
    [InlineData(false, "True")]
    [InlineData(false, "1")]
    [InlineData(false, "")]
    [InlineData(false, "true", "true")]
    [InlineData(false)]
    public void Stream_is_asked_for_by_one_field_that_is_true(bool expected, params string[] values)
    {
        string fields = string.Concat(values.Select(value => Field(value, "form-data; name=\"stream\"")));
        Assert.Equal(expected, FormBody.Read(Encoding.Latin1.GetBytes(File + fields + Field("m") + End), Type)!.Stream);
    }

    [Theory]
    [InlineData("multipart/form-data; charset=x; boundary=\"B\"")]
    [InlineData("multipart/form-data;boundary=B ; charset=x")]
    public void Read_boundary_quoted_or_not(string type) => Assert.Equal(Field("new") + End, WithModel(Field("x") + End, type));

    [Theory]
    [InlineData("multipart/form-data", "--B--\r\n")]
    [InlineData("multipart/form-data; boundary=", "--B--\r\n")]
    [InlineData(Type, "")]
    [InlineData(Type, "no form at all")]
    [InlineData(Type, "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nnever ends")]
    [InlineData(Type, "--B\r\nno headers end\r\n--B--")]
    [InlineData(Type, "--B--\r\n")]
    [InlineData(Type, "--B\r\n\r\nx\r\n--B more\r\n\r\ny\r\n--B--")]
    [InlineData(Type, "--B\r\n\r\n--B--")]
    public void Read_what_is_no_form_is_left_alone(string type, string body) => Assert.Null(WithModel(body, type));

    /// <summary>Cut anywhere, it is left alone, or is a form whose other bytes are the same.</summary>
    [Fact]
    public void Read_cut_at_every_byte_never_fails()
    {
        string body = File + Field("old") + File + End;
        for (int at = 0; at < body.Length; at++)
        {
            if (WithModel(body[..at]) is { } edited)
                Assert.Equal(body[..at], edited.Replace("\r\n\r\nnew", "\r\n\r\nold", StringComparison.Ordinal));
        }
    }
}
